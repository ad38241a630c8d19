// What a person typed: noticing it, keeping it, comparing it, putting it back.

type Field = HTMLInputElement | HTMLTextAreaElement | HTMLSelectElement;

/** A field's text as it was typed, with what stood there before. */
export interface Typed {
  readonly name: string;
  /** Which of the fields of that name. */
  readonly index: number;
  readonly label: string;
  readonly before: string;
  readonly value: string;
}

/** Fields whose content is a secret, a file, or not typed at all. */
const untyped = ["hidden", "password", "file", "submit", "button", "image", "reset"];

export class Draft {
  private readonly before = new WeakMap<Element, string>();
  private readonly touched = new Set<Element>();

  constructor(private readonly root: Element) {
    root.addEventListener("focusin", (event) => this.meet(event.target), true);
    root.addEventListener("pointerdown", (event) => this.meet(event.target), true);
    for (const type of ["beforeinput", "input", "change"]) {
      root.addEventListener(type, (event) => this.touch(event.target), true);
    }
  }

  /** Fields that differ from what was there before the first touch. */
  typed(): Typed[] {
    const all: Typed[] = [];
    for (const field of this.touched) {
      if (!this.root.contains(field)) continue;
      const before = this.before.get(field) ?? "";
      const value = valueOf(field);
      if (value !== before) all.push({ ...place(this.root, field), label: labelOf(field), before, value });
    }
    return all;
  }

  /** What is there now counts as saved. */
  forget(): void {
    for (const field of this.touched) this.before.set(field, valueOf(field));
    this.touched.clear();
  }

  private meet(target: EventTarget | null): void {
    const field = fieldOf(target);
    if (field && !this.before.has(field)) this.before.set(field, valueOf(field));
  }

  private touch(target: EventTarget | null): void {
    const field = fieldOf(target);
    if (!field) return;
    // Filled without focus, by a script or an extension: the default is the best there is to compare with.
    if (!this.before.has(field)) this.before.set(field, defaultOf(field));
    this.touched.add(field);
  }

  /** Puts typed text into the fields of the same name; returns what could not be put back. */
  static restore(root: Element, typed: readonly Typed[], force: boolean): Typed[] {
    return typed.filter((entry) => {
      const field = find(root, entry);
      if (!field) return true;
      if (!force && valueOf(field) !== entry.before) return valueOf(field) !== entry.value;
      if (valueOf(field) === entry.value) return false;
      setValue(field, entry.value);
      field.dispatchEvent(new Event("input", { bubbles: true }));
      field.dispatchEvent(new Event("change", { bubbles: true }));
      return false;
    });
  }

  /** What of the text is not in its field. */
  static missing(root: Element, typed: readonly Typed[]): Typed[] {
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
  } else if (isField(field)) field.value = value;
  else (field as HTMLElement).innerText = value;
}

function nameOf(field: Element): string {
  return field.getAttribute("name") || field.id || field.getAttribute("data-name") || field.localName;
}

function sameName(root: Element, name: string): Element[] {
  return [...root.querySelectorAll("input, textarea, select, [contenteditable]")].filter((field) => nameOf(field) === name);
}

function place(root: Element, field: Element): { name: string; index: number } {
  const name = nameOf(field);
  return { name, index: sameName(root, name).indexOf(field) };
}

function find(root: Element, { name, index }: Typed): Element | null {
  return sameName(root, name)[index] ?? null;
}

function labelOf(field: Element): string {
  const label = isField(field) ? field.labels?.[0]?.textContent : null;
  return (label ?? field.getAttribute("aria-label") ?? nameOf(field)).trim();
}
