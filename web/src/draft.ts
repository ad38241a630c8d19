// What a person typed: noticing it, keeping it, comparing it, putting it back.

type Field = HTMLInputElement | HTMLTextAreaElement | HTMLSelectElement;

interface Place {
  readonly name: string;
  /** Which of the fields of that name. */
  readonly index: number;
}

/** A field's text as it was typed, with what stood there before. */
export interface Typed extends Place {
  readonly label: string;
  readonly before: string;
  readonly value: string;
  /** Of the typing into one field, from content to content: its later text stands for the earlier one. */
  readonly run?: number;
}

/** One run of typing into a field. */
interface Note extends Place {
  readonly label: string;
  readonly run: number;
  /** What the person left there, whatever a script made of it since. */
  value: string;
}

/** Fields whose content is a secret, a file, or not typed at all. */
const untyped = ["hidden", "password", "file", "submit", "button", "image", "reset"];

export class Draft {
  private readonly before = new WeakMap<Element, string>();
  private readonly notes = new Map<Element, Note>();
  /** The application is loading: what it writes into the fields, and tells of, is no typing. */
  private loading = false;

  constructor(private readonly root: Element, signal: AbortSignal) {
    const on = { capture: true, signal };
    root.addEventListener("focusin", (event) => this.meet(event.target), on);
    root.addEventListener("pointerdown", (event) => this.meet(event.target), on);
    root.addEventListener("beforeinput", (event) => this.begin(event), on);
    for (const type of ["input", "change"]) root.addEventListener(type, (event) => this.touch(event), on);
  }

  /** Fields that differ from what was there before the first touch. */
  typed(): Typed[] {
    const all: Typed[] = [];
    for (const [field, note] of this.notes) {
      if (!this.root.contains(field)) continue;
      const before = this.before.get(field) ?? "";
      const { run } = note;
      // Out of the page, an editable text has lost its line breaks.
      const value = isField(field) || field.isConnected ? valueOf(field) : note.value;
      if (value !== before) all.push({ ...place(this.root, field), label: labelOf(field), before, value, run });
    }
    return all;
  }

  /** The same by the person's own hand, although the fields may be gone by now or show something else. */
  written(): Typed[] {
    return [...this.notes].map(([field, note]) => ({ ...note, before: this.before.get(field) ?? "" }))
      .filter(({ before, value }) => value !== before);
  }

  /** What is there now counts as saved. */
  forget(): void {
    for (const field of [...this.notes.keys()]) this.drop(field);
  }

  /** From now on the application may put other content into the fields at any moment. */
  loadBegins(): void {
    this.loading = true;
    for (const [field, note] of this.notes) if (this.root.contains(field)) note.value = valueOf(field);
  }

  /** Fields that show something else now are new ones. */
  loadEnds(): void {
    this.loading = false;
    for (const [field, note] of [...this.notes]) {
      if (!this.root.contains(field) || valueOf(field) !== note.value) this.drop(field);
    }
  }

  /** Takes the text out of fields that still show it: they are to show another record. */
  clear(): void {
    for (const [field, note] of this.notes) {
      if (isToggle(field) || field instanceof HTMLSelectElement || valueOf(field) !== note.value) continue;
      setValue(field, isField(field) ? defaultOf(field) : this.before.get(field) ?? "");
    }
  }

  private drop(field: Element): void {
    this.notes.delete(field);
    this.before.set(field, valueOf(field));
  }

  private meet(target: EventTarget | null): void {
    const field = fieldOf(target);
    if (field && !this.notes.has(field)) this.before.set(field, valueOf(field));
  }

  private note(field: Element): Note {
    let note = this.notes.get(field);
    if (!note) {
      note = { ...place(this.root, field), label: labelOf(field), run: Math.random(), value: valueOf(field) };
      this.notes.set(field, note);
    }
    return note;
  }

  /** About to be typed into: what is there by now is what was there before. */
  private begin(event: Event): void {
    const field = fieldOf(event.target);
    if (!field) return;
    const note = this.notes.get(field);
    if (!note || (this.loading && note.value !== valueOf(field))) this.drop(field);
    this.note(field);
  }

  private touch(event: Event): void {
    const field = fieldOf(event.target);
    // The browser tells of a change a second time when the field is left, whatever is in it by then.
    if (!field || (event.isTrusted && event.type === "change")) return;
    // Filled without focus, by a script or an extension: the default is the best there is to compare with.
    if (!this.before.has(field)) this.before.set(field, defaultOf(field));
    const note = this.note(field);
    const value = valueOf(field);
    if (event.isTrusted) note.value = value;
    // A widget tells of what was typed into it; an application, of another record that it is about to name.
    else if (!this.loading) setTimeout(() => valueOf(field) === value && (note.value = value), 0);
  }

  private put(field: Element, value: string): void {
    // What was typed there so far is another text: a run of its own.
    if (!this.notes.delete(field)) this.before.set(field, valueOf(field));
    setValue(field, value);
    this.note(field).value = value;
    field.dispatchEvent(new Event("input", { bubbles: true }));
    field.dispatchEvent(new Event("change", { bubbles: true }));
  }

  /** Puts text back where nobody changed anything meanwhile; returns what is in no field then. */
  restore<T extends Typed>(typed: readonly T[]): T[] {
    return typed.filter((entry) => {
      const field = fit(this.root, entry);
      if (!field) return true;
      if (valueOf(field) !== entry.before) return valueOf(field) !== entry.value;
      if (valueOf(field) !== entry.value) this.put(field, entry.value);
      return false;
    });
  }

  /** Puts the first text of each field into it, whatever is there; returns what is in no field then. */
  force<T extends Typed>(typed: readonly T[]): T[] {
    const done = new Set<Element>();
    return typed.filter((entry) => {
      const field = fit(this.root, entry);
      if (!field) return true;
      if (valueOf(field) === entry.value) return false;
      if (done.has(field)) return true;
      done.add(field);
      this.put(field, entry.value);
      return false;
    });
  }

  /** Whether there is a field for the text. */
  static fits(root: Element, entry: Typed): boolean {
    return fit(root, entry) !== null;
  }

  /** What of the text is not in its field. */
  static missing<T extends Typed>(root: Element, typed: readonly T[]): T[] {
    return typed.filter((entry) => {
      const field = find(root, entry);
      return !field || valueOf(field) !== entry.value;
    });
  }

  /** Whether the text came with the page, and was not typed or put into its field afterwards. */
  static served(root: Element, entry: Typed): boolean {
    const field = find(root, entry);
    return field !== null && defaultOf(field) === entry.value;
  }

  static text(typed: readonly Typed[]): string {
    const only = typed.length === 1;
    return typed.map((entry) => (only || !entry.label ? entry.value : `${entry.label}:\n${entry.value}`)).join("\n\n");
  }
}

function fieldOf(target: EventTarget | null): Element | null {
  if (isField(target)) return untyped.includes(target.type) ? null : target;
  return target instanceof HTMLElement && target.isContentEditable ? target.closest("[contenteditable]") : null;
}

function isField(target: unknown): target is Field {
  return target instanceof HTMLInputElement || target instanceof HTMLTextAreaElement || target instanceof HTMLSelectElement;
}

function isToggle(field: Element): field is HTMLInputElement {
  return field instanceof HTMLInputElement && (field.type === "checkbox" || field.type === "radio");
}

function valueOf(field: Element): string {
  if (isToggle(field)) return field.checked ? "✓" : "";
  if (field instanceof HTMLSelectElement) return [...field.selectedOptions].map((option) => option.value).join("\n");
  return isField(field) ? field.value : (field as HTMLElement).innerText;
}

function defaultOf(field: Element): string {
  if (isToggle(field)) return field.defaultChecked ? "✓" : "";
  if (field instanceof HTMLSelectElement) {
    return [...field.options].filter((option) => option.defaultSelected).map((option) => option.value).join("\n");
  }
  const typed = field instanceof HTMLInputElement || field instanceof HTMLTextAreaElement;
  return typed ? field.defaultValue : (field as HTMLElement).innerText;
}

function setValue(field: Element, value: string): void {
  if (isToggle(field)) field.checked = value !== "";
  else if (field instanceof HTMLSelectElement) {
    const values = value.split("\n");
    for (const option of field.options) option.selected = values.includes(option.value);
  } else if (isField(field)) {
    // Past the property by which a framework watches its own writes: it takes this one for typing.
    const own = field instanceof HTMLInputElement ? HTMLInputElement.prototype : HTMLTextAreaElement.prototype;
    Object.getOwnPropertyDescriptor(own, "value")?.set?.call(field, value);
  } else (field as HTMLElement).innerText = value;
}

function nameOf(field: Element): string {
  return field.getAttribute("name") || field.id || field.getAttribute("data-name") || field.localName;
}

function sameName(root: Element, name: string): Element[] {
  return [...root.querySelectorAll("input, textarea, select, [contenteditable]")].filter((field) => nameOf(field) === name);
}

function place(root: Element, field: Element): Place {
  const name = nameOf(field);
  return { name, index: sameName(root, name).indexOf(field) };
}

function find(root: Element, { name, index }: Place): Element | null {
  return sameName(root, name)[index] ?? null;
}

/** The field that can take the text: a list may not have the choice any more. */
function fit(root: Element, entry: Typed): Element | null {
  const field = find(root, entry);
  if (!(field instanceof HTMLSelectElement)) return field;
  const choices = [...field.options].map((option) => option.value);
  return entry.value.split("\n").every((choice) => choices.includes(choice)) || !entry.value ? field : null;
}

function labelOf(field: Element): string {
  const label = isField(field) ? field.labels?.[0]?.textContent : null;
  return (label ?? field.getAttribute("aria-label") ?? nameOf(field)).trim();
}
