// Refuses saves by whoever does not hold: submit events (of buttons, of requestSubmit, of controls outside that are
// tied by form=), Ctrl+S and Cmd+S, and input into controls outside. One set of listeners for the whole document, on
// the window and before all others, so that no handler of the page comes first.

export interface Guarded extends HTMLElement {
  /** What a save may do now: `go`, wait until it is certain (`later`), or not be (`refuse`). */
  permit(): "go" | "later" | "refuse";
  /** Whether input is welcome now. */
  readonly open: boolean;
  saveLater(form: HTMLFormElement, submitter: HTMLElement | null): void;
  refuseSave(): void;
  /** A save is on its way. */
  saving(submitter: HTMLElement | null): void;
  /** It leaves the page by itself: no script of the page has taken it over. */
  submitted(): void;
  /** A save of this form came to an end that the page told of. */
  saved(options?: { version?: string }): void;
  token(): string | null;
}

const guarded = new Set<Guarded>();
let listening = false;

export function protect(element: Guarded): void {
  guarded.add(element);
  if (listening) return;
  listening = true;
  window.addEventListener("submit", onSubmit, true);
  window.addEventListener("submit", onSubmitted, false);
  window.addEventListener("formdata", onFormData, true);
  window.addEventListener("keydown", onKey, true);
  for (const type of ["beforeinput", "click", "pointerdown", "mousedown", "keydown", "paste", "drop"]) {
    window.addEventListener(type, onOutside, { capture: true, passive: false });
  }
  window.addEventListener("turbo:submit-end", onDone);
  window.addEventListener("htmx:afterRequest", onDone);
}

export function unprotect(element: Guarded): void {
  guarded.delete(element);
}

/** The element that a form belongs to: around it, inside it, or around one of its controls. */
function ofForm(form: HTMLFormElement | null): Guarded | null {
  if (!form) return null;
  for (const element of guarded) {
    if (element.contains(form) || form.contains(element)) return element;
  }
  for (const element of guarded) {
    for (const control of form.elements) if (element.contains(control)) return element;
  }
  return null;
}

function onSubmit(event: Event): void {
  if (!(event instanceof SubmitEvent) || !(event.target instanceof HTMLFormElement)) return;
  const element = ofForm(event.target);
  if (!element || event.submitter?.hasAttribute("data-edit-lock-free")) return;
  const permit = element.permit();
  if (permit === "go") return element.saving(event.submitter);
  event.preventDefault();
  event.stopImmediatePropagation();
  if (permit === "later") element.saveLater(event.target, event.submitter);
  else element.refuseSave();
}

/** Forms that are being sent by GET: their data goes into a URL, where a token has no business. */
const inUrl = new WeakSet<HTMLFormElement>();

function onSubmitted(event: Event): void {
  if (!(event instanceof SubmitEvent) || !(event.target instanceof HTMLFormElement) || event.defaultPrevented) return;
  const form = event.target;
  ofForm(form)?.submitted();
  const method = event.submitter?.getAttribute("formmethod") ?? form.getAttribute("method") ?? "get";
  if (method.toLowerCase() !== "get") return;
  inUrl.add(form);
  setTimeout(() => inUrl.delete(form), 0);
}

function onFormData(event: FormDataEvent): void {
  if (!(event.target instanceof HTMLFormElement) || inUrl.has(event.target)) return;
  const token = ofForm(event.target)?.token();
  if (token) event.formData.set("lock_token", token);
}

function onKey(event: KeyboardEvent): void {
  if (!(event.ctrlKey || event.metaKey) || event.altKey || event.key.toLowerCase() !== "s") return;
  const target = event.target instanceof Node ? event.target : null;
  const inside = [...guarded].filter((element) => element.contains(target));
  const asked = inside.length ? inside : [...guarded];
  if (asked.length === 0 || asked.some((element) => element.permit() === "go")) return;
  event.preventDefault();
  event.stopImmediatePropagation();
  asked[0]?.refuseSave();
}

/** Keys that move and read, and change nothing. */
const harmless = /^(Tab|Escape|Arrow|Home|End|Page|Shift|Control|Alt|Meta|F\d)/;

function onOutside(event: Event): void {
  const target = event.target;
  if (!(target instanceof Element)) return;
  const control = target.closest("input, textarea, select, button");
  const form = control && "form" in control ? (control as HTMLInputElement).form : null;
  if (!form || !control) return;
  const element = ofForm(form);
  if (!element || element.open || element.contains(control) || control.hasAttribute("data-edit-lock-free")) return;
  if (event instanceof KeyboardEvent && (harmless.test(event.key) || event.ctrlKey || event.metaKey)) return;
  const submits = control instanceof HTMLButtonElement || (control instanceof HTMLInputElement && control.type === "submit");
  // A press may still focus and select; only a list would open by it.
  if ((event.type === "pointerdown" || event.type === "mousedown") && !(control instanceof HTMLSelectElement)) return;
  if (event instanceof KeyboardEvent && submits) return;
  event.preventDefault();
  if (event.type !== "click" || !submits) return;
  event.stopImmediatePropagation();
  element.refuseSave();
}

/** Libraries that save without leaving the page say how it went. */
function onDone(event: Event): void {
  const detail: unknown = event instanceof CustomEvent ? event.detail : null;
  if (typeof detail !== "object" || detail === null || !(event.target instanceof Element)) return;
  const { success, successful } = detail as { success?: unknown; successful?: unknown };
  const form = event.target instanceof HTMLFormElement ? event.target : event.target.closest("form");
  if (success === true || successful === true) ofForm(form)?.saved();
}
