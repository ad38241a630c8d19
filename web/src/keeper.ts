// Keeps what was typed beyond a lost lock, fresh content, and the end of the page, until it is saved or dismissed.
import { cameByRedirect, refusedPage } from "./done.js";
import { Draft, type Typed } from "./draft.js";
import { atLeast } from "./page.js";

export class Keeper {
  private readonly draft: Draft;
  private kept: Typed[] = [];
  /** It stands in the fields as the page came, like a form that is shown again with its errors: sent, and not saved. */
  private posted: Typed[] = [];
  /** The version of the content that the text of an earlier page was typed over. */
  private over: string | null = null;
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
    return this.live().length > 0;
  }

  /** There is text that is in no field. */
  get holds(): boolean {
    return this.kept.length > 0;
  }

  get text(): string {
    return Draft.text(this.holds ? this.kept : this.live());
  }

  /** Remembers what is typed, before it may go. */
  keep(): void {
    const live = this.live();
    if (!live.length) return;
    this.kept = live;
    this.earlier = false;
  }

  /** Puts text back: by itself only where nobody changed anything meanwhile. */
  putBack(force: boolean): void {
    if (!this.kept.length) return;
    if (this.earlier && !force) this.settle();
    else this.kept = Draft.restore(this.root, this.kept, force);
    if (force) this.kept = [];
  }

  /** Of an earlier page's text, what is in no field is to be offered; what is in one may be saved by now, or not yet. */
  private settle(): void {
    const missing = Draft.missing(this.root, this.kept);
    const there = this.kept.filter((entry) => !missing.includes(entry));
    this.kept = missing;
    const version = this.root.getAttribute("version");
    const newer = version !== null && this.over !== null && version !== this.over && atLeast(version, this.over) === "yes";
    this.posted = merge(this.posted, newer && !refusedPage() ? there.filter((entry) => !Draft.served(this.root, entry)) : there);
  }

  /** What stands in the fields and is not known to be saved. */
  private live(): Typed[] {
    return merge(this.posted.filter((entry) => Draft.missing(this.root, [entry]).length === 0), this.draft.typed());
  }

  /** The fields are new ones. */
  replaced(): void {
    this.posted = [];
    this.draft.forget();
  }

  saved(): void {
    this.posted = [];
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
    const live = this.live();
    const text = [...this.kept.filter((entry) => !live.some((other) => samePlace(entry, other) && entry.value === other.value)), ...live];
    const carried = this.kept.length > 0 || this.posted.length > 0;
    const version = (carried ? this.over : null) ?? this.root.getAttribute("version");
    try {
      const stored: Stored = { at: Date.now(), sent: this.sent, version, text };
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
      this.over = typeof stored.version === "string" ? stored.version : null;
      // A form that was refused (409, 423) may have led to a page without it, and then here. Of one that was
      // accepted, nothing is to be offered.
      const unsaved = this.over !== null && this.over === this.root.getAttribute("version");
      const recent = Date.now() - Number(stored.at) < refusedWithin;
      if (stored.sent && (cameByRedirect() || !(unsaved || recent))) return this.dismiss();
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
  /** Of the content that it was typed over. */
  readonly version: string | null;
  readonly text: readonly Typed[];
}

/** How long a form that was sent may turn out to have been refused. */
const refusedWithin = 120_000;

function samePlace(a: Typed, b: Typed): boolean {
  return a.name === b.name && a.index === b.index;
}

/** The later of two texts of a field, over what stood there before the earlier one. */
function merge(earlier: readonly Typed[], later: readonly Typed[]): Typed[] {
  const rest = earlier.filter((entry) => !later.some((other) => samePlace(entry, other)));
  return [...rest, ...later.map((entry) => ({ ...entry, before: earlier.find((other) => samePlace(entry, other))?.before ?? entry.before }))];
}

function isTyped(value: unknown): value is Typed {
  const typed = value as Partial<Typed> | null;
  return typeof typed?.name === "string" && typeof typed.index === "number" && typeof typed.label === "string"
    && typeof typed.before === "string" && typeof typed.value === "string";
}
