// Keeps what was typed beyond a lost lock, fresh content, and the end of the page, until it is saved or dismissed.
import { cameByRedirect, refusedPage } from "./done.js";
import { Draft, type Typed } from "./draft.js";
import { atLeast } from "./page.js";

interface Kept extends Typed {
  /** It is to be offered, not put back unasked: it comes from an earlier page, or gave way to another text. */
  readonly ask?: boolean;
}

/** What the notice has to say about text that is in no field. */
export type Offer = "one" | "several" | "homeless";

/** Of one resource: another one has another keeper. */
export class Keeper {
  private readonly end = new AbortController();
  private readonly draft: Draft;
  /** The latest first; of one field there may be several. */
  private kept: Kept[] = [];
  /** It stands in the fields as the page came, like a form that is shown again with its errors: sent, and not saved. */
  private posted: Typed[] = [];
  /** The version of the content that the text of an earlier page was typed over. */
  private over: string | null = null;
  /** The same of what was typed here; the attribute may name another one by now. */
  private typedOver: string | null = null;
  /** A form with the text in it is on its way, and the next page shows what became of it. */
  private sent = false;

  constructor(private readonly root: HTMLElement, private readonly resource: string) {
    const { signal } = this.end;
    this.draft = new Draft(root, signal);
    root.addEventListener("input", () => {
      this.sent = false;
      this.typedOver = root.getAttribute("version");
    }, { capture: true, signal });
    const leaving = (event: Event): void => {
      // Out of the page it was stored when it was taken out, and another element may have taken it up.
      if (root.isConnected && (event.type === "pagehide" || document.visibilityState === "hidden")) this.stash();
    };
    document.addEventListener("visibilitychange", leaving, { signal });
    window.addEventListener("pagehide", leaving, { signal });
  }

  /** The element shows something else from now on, or nothing. */
  close(): void {
    this.end.abort();
  }

  /** Something was typed that is not known to be saved. */
  get dirty(): boolean {
    return this.live().length > 0;
  }

  /** Text is kept, whether or not it is in the fields too. */
  get holds(): boolean {
    return this.kept.length > 0;
  }

  /** Whether there is text that is in no field, and what can be done about it. */
  get offer(): Offer | null {
    const missing = Draft.missing(this.root, this.kept);
    if (!missing.length) return null;
    if (!missing.some((entry) => Draft.fits(this.root, entry))) return "homeless";
    const all = [...missing, ...this.live()];
    const several = missing.some((entry) => Draft.fits(this.root, entry) && all.some((other) => other !== entry && samePlace(entry, other)));
    return several ? "several" : "one";
  }

  get text(): string {
    const missing = Draft.missing(this.root, this.kept);
    return Draft.text(missing.length ? missing : this.live());
  }

  /** All of it: what was kept, and what is in the fields. */
  get all(): string {
    return Draft.text(join(this.kept, this.live()));
  }

  /** Remembers what is typed, before it may go. */
  keep(): void {
    this.kept = join(this.kept, this.live());
  }

  /** While the application loads, it may put its content over the text at any moment: every keystroke is kept. */
  async during(load: () => Promise<unknown>): Promise<void> {
    this.keep();
    this.draft.loadBegins();
    const noted = (event: Event): void => {
      if (event.isTrusted) this.kept = join(this.kept, this.draft.written());
    };
    this.root.addEventListener("input", noted, true);
    try {
      await load();
    } finally {
      this.root.removeEventListener("input", noted, true);
      this.draft.loadEnds();
    }
  }

  /** Puts text back, unasked only where nobody changed anything meanwhile. */
  putBack(force: boolean): void {
    if (force) return this.exchange();
    const asked = this.settle(this.kept.filter((entry) => entry.ask));
    const rest = this.draft.restore(this.kept.filter((entry) => !entry.ask));
    this.kept = this.kept.filter((entry) => asked.includes(entry) || rest.includes(entry));
  }

  /** Puts text back at a person's wish; what the person has typed into those fields meanwhile is kept in its place. */
  private exchange(): void {
    const live = this.live();
    const rest = this.draft.force(this.kept);
    const gone = Draft.missing(this.root, live).map((entry) => ({ ...entry, ask: true }));
    this.posted = this.posted.filter((entry) => !gone.some((other) => samePlace(entry, other)));
    this.kept = [...rest, ...gone];
  }

  /** Of an earlier page's text, what is in no field is to be offered; what is in one may be saved by now, or not yet. */
  private settle(text: readonly Kept[]): Kept[] {
    const missing = Draft.missing(this.root, text);
    const there = text.filter((entry) => !missing.includes(entry));
    const version = this.root.getAttribute("version");
    const newer = version !== null && this.over !== null && version !== this.over && atLeast(version, this.over) === "yes";
    const open = newer && !refusedPage() ? there.filter((entry) => !Draft.served(this.root, entry)) : there;
    this.posted = merge(this.posted, open.map((entry) => ({ ...entry, ask: false })));
    return missing;
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

  /** What stands in the fields is saved; what is offered beside them is not. */
  saved(): void {
    this.kept = Draft.missing(this.root, this.kept);
    this.replaced();
    this.typedOver = null;
    this.stash();
  }

  dismiss(): void {
    this.kept = [];
    this.stash();
  }

  leavingWithForm(): void {
    this.sent = true;
  }

  /** Writes the text where it outlives the page: hidden pages are thrown away without notice. */
  stash(): void {
    this.store(this.live());
  }

  /** The same when the fields may show another record by now: what the person left in them counts. */
  stashWritten(): void {
    this.store(merge(this.posted, this.draft.written()));
  }

  /** Takes the text out of the fields, which are to show another record. */
  clear(): void {
    this.draft.clear();
  }

  private store(text: readonly Typed[]): void {
    if (!this.resource) return;
    const kept = this.kept.filter((entry) => !text.some((other) => samePlace(entry, other) && entry.value === other.value));
    const carried = this.kept.length > 0 || this.posted.length > 0;
    const version = (carried ? this.over : null) ?? this.typedOver ?? this.root.getAttribute("version");
    try {
      const stored: Stored = { at: Date.now(), sent: this.sent, version, text, kept };
      if (text.length || kept.length) sessionStorage.setItem(this.key, JSON.stringify(stored));
      else sessionStorage.removeItem(this.key);
    } catch {
      // Storage is full or forbidden: the text lives as long as the page.
    }
  }

  /** Takes up what the page before this one left. */
  recover(): void {
    try {
      const stored = JSON.parse(sessionStorage.getItem(this.key) ?? "null") as Partial<Stored> | null;
      if (!stored || !Array.isArray(stored.text)) return;
      this.over = typeof stored.version === "string" ? stored.version : null;
      // A form that was refused (409, 423) may have led to a page without it, and then here. Of one that was
      // accepted, nothing that was in it is to be offered.
      const unsaved = this.over !== null && this.over === this.root.getAttribute("version");
      const recent = Date.now() - Number(stored.at) < refusedWithin;
      const accepted = stored.sent && (cameByRedirect() || !(unsaved || recent));
      const beside = Array.isArray(stored.kept) ? stored.kept : [];
      // A tab that the browser had thrown away goes on where it was.
      const ask = !(document as { wasDiscarded?: boolean }).wasDiscarded;
      this.kept = [...(accepted ? [] : stored.text), ...beside].filter(isTyped).map((entry) => ({ ...entry, ask }));
      if (accepted) this.stash();
    } catch {
      this.kept = [];
    }
  }

  private get key(): string {
    return `editlock draft ${this.resource}`;
  }
}

interface Stored {
  readonly at: number;
  readonly sent: boolean;
  /** Of the content that it was typed over. */
  readonly version: string | null;
  /** What stood in the fields. */
  readonly text: readonly Typed[];
  /** What was in none of them. */
  readonly kept: readonly Typed[];
}

/** How long a form that was sent may turn out to have been refused. */
const refusedWithin = 120_000;

function samePlace(a: Typed, b: Typed): boolean {
  return a.name === b.name && a.index === b.index;
}

/** What is kept, and before it what stands in the fields now: in place of earlier text of the same typing only. */
function join(kept: readonly Kept[], live: readonly Typed[]): Kept[] {
  const same = (a: Typed, b: Typed): boolean =>
    (a.run !== undefined && a.run === b.run) || (samePlace(a, b) && a.value === b.value);
  return [...live, ...kept.filter((entry) => !live.some((other) => same(entry, other)))];
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
