// Keeps what was typed beyond a lost lock, fresh content, and the end of the page, until it is saved or dismissed.
import { cameByRedirect } from "./done.js";
import { Draft, type Typed } from "./draft.js";

export class Keeper {
  private readonly draft: Draft;
  private kept: Typed[] = [];
  /** It comes from an earlier page, whose person may have left it on purpose: to be offered, not put back unasked. */
  private earlier = false;
  /** A form with the text in it is on its way, and the next page shows what became of it. */
  private sent = false;

  constructor(private readonly root: HTMLElement, private readonly resource: () => string) {
    this.draft = new Draft(root);
    root.addEventListener("input", () => (this.sent = false), true);
  }

  /** Something was typed that is not known to be saved. */
  get dirty(): boolean {
    return this.draft.typed().length > 0;
  }

  /** There is text that is in no field. */
  get holds(): boolean {
    return this.kept.length > 0;
  }

  get text(): string {
    return Draft.text(this.holds ? this.kept : this.draft.typed());
  }

  /** Remembers what is typed, before it may go. */
  keep(): void {
    const typed = this.draft.typed();
    if (!typed.length) return;
    this.kept = typed;
    this.earlier = false;
  }

  /** Puts text back: by itself only where nobody changed anything meanwhile. */
  putBack(force: boolean): void {
    if (!this.kept.length) return;
    if (this.earlier && !force) this.kept = Draft.missing(this.root, this.kept);
    else this.kept = Draft.restore(this.root, this.kept, force);
    if (force) this.kept = [];
  }

  /** The fields are new ones. */
  replaced(): void {
    this.draft.forget();
  }

  saved(): void {
    this.draft.forget();
    this.dismiss();
  }

  dismiss(): void {
    this.kept = [];
    this.stash();
  }

  leavingWithForm(): void {
    this.sent = true;
  }

  /** Writes the text where it outlives the page: hidden pages are thrown away without notice. */
  readonly stash = (event?: Event): void => {
    if (event?.type === "visibilitychange" && document.visibilityState !== "hidden") return;
    const typed = this.draft.typed();
    const text = typed.length ? typed : this.kept;
    try {
      const stored: Stored = { at: Date.now(), sent: this.sent, text };
      if (text.length) sessionStorage.setItem(this.key, JSON.stringify(stored));
      else sessionStorage.removeItem(this.key);
    } catch {
      // Storage is full or forbidden: the text lives as long as the page.
    }
  };

  /** Takes up what the page before this one left. */
  recover(): void {
    try {
      const stored = JSON.parse(sessionStorage.getItem(this.key) ?? "null") as Partial<Stored> | null;
      if (!stored || !Array.isArray(stored.text)) return;
      // A form that was refused (409, 423) may have led to a page without it, and then here. Of one that was
      // accepted, nothing is to be offered.
      if (stored.sent && (cameByRedirect() || !(Date.now() - Number(stored.at) < refusedWithin))) return this.dismiss();
      this.kept = stored.text.filter(isTyped);
      // A tab that the browser had thrown away goes on where it was.
      this.earlier = !(document as { wasDiscarded?: boolean }).wasDiscarded;
    } catch {
      this.kept = [];
    }
  }

  private get key(): string {
    return `editlock draft ${this.resource()}`;
  }
}

interface Stored {
  readonly at: number;
  readonly sent: boolean;
  readonly text: readonly Typed[];
}

/** How long a form that was sent may turn out to have been refused. */
const refusedWithin = 120_000;

function isTyped(value: unknown): value is Typed {
  const typed = value as Partial<Typed> | null;
  return typeof typed?.name === "string" && typeof typed.index === "number" && typeof typed.label === "string"
    && typeof typed.before === "string" && typeof typed.value === "string";
}
