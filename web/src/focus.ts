// Keeps the focus and the caret where the person left them, while the content is inert or replaced.

interface Spot {
  readonly element: HTMLElement;
  readonly name: string;
  readonly start: number | null;
  readonly end: number | null;
}

export class FocusKeeper {
  private spot: Spot | null = null;

  constructor(private readonly host: HTMLElement) {}

  /** Notes where the focus is, before it is taken away. */
  note(): void {
    const active = document.activeElement;
    if (!(active instanceof HTMLElement) || active === this.host || !this.host.contains(active)) return;
    const caret = hasCaret(active) ? active : null;
    this.spot = {
      element: active, name: active.getAttribute("name") ?? active.id,
      start: caret?.selectionStart ?? null, end: caret?.selectionEnd ?? null,
    };
  }

  /** Gives the focus back, unless the person has gone elsewhere meanwhile. */
  giveBack(): void {
    const spot = this.spot;
    this.spot = null;
    if (document.activeElement && document.activeElement !== document.body) return;
    if (!spot) {
      this.host.querySelector<HTMLElement>("[autofocus]")?.focus({ preventScroll: true });
      return;
    }
    const again = spot.element.isConnected ? spot.element : this.named(spot.name);
    again?.focus({ preventScroll: true });
    if (again && hasCaret(again) && spot.start !== null) again.setSelectionRange(spot.start, spot.end);
  }

  /** Keeps the focus over a change of the content. */
  during(change: () => void): void {
    const before = this.spot;
    this.note();
    change();
    // While the content is inert the focus comes back with the next opening.
    const inside = this.spot !== before;
    if (inside) this.giveBack();
  }

  private named(name: string): HTMLElement | null {
    if (!name) return null;
    return [...this.host.querySelectorAll<HTMLElement>("[name], [id]")]
      .find((element) => element.getAttribute("name") === name || element.id === name) ?? null;
  }
}

/** Selection is only for text; other inputs throw when asked. */
function hasCaret(element: Element): element is HTMLInputElement | HTMLTextAreaElement {
  if (element instanceof HTMLTextAreaElement) return true;
  return element instanceof HTMLInputElement && /^(text|search|url|tel|password)$/.test(element.type);
}
