// Where a tab keeps its session, and how it knows that the session is its own.
//
// Session storage survives a reload, is copied into a duplicated tab, and is shared by the same-origin frames of
// a tab. So a slot is named by the place of its frame, and counts as ours only while this document holds a Web
// Lock of the slot's random name, which the first tab still holds when a second one starts with a copy.

interface Stored {
  readonly id: string;
  readonly nonce: string;
  readonly resume?: string;
}

export interface Credentials {
  readonly nonce: string;
  readonly resume?: string;
}

/** How long the document before this one, in the same tab, may take to let go of the slot. */
const letGo = 400;

export class Slot {
  private stored: Stored = fresh();
  private free: (() => void) | null = null;

  private constructor(private readonly key: string) {}

  /** Finds this tab's own session, or makes room for a new one. */
  static async claim(base: string): Promise<Slot> {
    const slot = new Slot(`editlock ${base} ${framePath()}`);
    const before = slot.read();
    if (before && (await slot.hold(before.id, letGo))) {
      slot.stored = before;
    } else {
      // Nothing here, or a copy of what another tab is using: a session of our own.
      slot.write(fresh());
      await slot.hold(slot.stored.id, letGo);
    }
    return slot;
  }

  /** What the next hello proves itself with. It is stored already, so that a repeat is the same. */
  get credentials(): Credentials {
    const { nonce, resume } = this.stored;
    return resume === undefined ? { nonce } : { nonce, resume };
  }

  /** Keeps the next resume token, with a new nonce, in one write. */
  welcomed(resume: string): void {
    this.write({ id: this.stored.id, nonce: random(), resume });
  }

  /** Forgets the session: the next hello makes a new one. */
  forget(): void {
    this.write({ id: this.stored.id, nonce: random() });
  }

  /** Lets the next document of this tab have the slot. */
  release(): void {
    this.free?.();
    this.free = null;
  }

  private read(): Stored | null {
    try {
      const value: unknown = JSON.parse(sessionStorage.getItem(this.key) ?? "null");
      if (typeof value !== "object" || value === null) return null;
      const { id, nonce, resume } = value as { id?: unknown; nonce?: unknown; resume?: unknown };
      if (typeof id !== "string" || typeof nonce !== "string") return null;
      return typeof resume === "string" ? { id, nonce, resume } : { id, nonce };
    } catch {
      return null;
    }
  }

  private write(stored: Stored): void {
    this.stored = stored;
    try {
      sessionStorage.setItem(this.key, JSON.stringify(stored));
    } catch {
      // Storage is full or forbidden: the session lives as long as this document.
    }
  }

  private hold(id: string, patience: number): Promise<boolean> {
    const name = `editlock:${id}`;
    if (!("locks" in navigator)) return this.holdByAsking(name);
    const given = new AbortController();
    const timer = setTimeout(() => given.abort(), patience);
    return new Promise((resolve) => {
      const until = new Promise<void>((free) => (this.free = free));
      navigator.locks
        .request(name, { signal: given.signal }, () => {
          clearTimeout(timer);
          resolve(true);
          return until;
        })
        .catch(() => resolve(false));
    });
  }

  /** Without Web Locks, which insecure pages do not have: ask the other tabs. One that is frozen cannot answer. */
  private holdByAsking(name: string): Promise<boolean> {
    if (typeof BroadcastChannel === "undefined") return Promise.resolve(true);
    const channel = new BroadcastChannel(name);
    return new Promise((resolve) => {
      let ours = true;
      channel.onmessage = (message) => {
        if (message.data === "taken") ours = false;
      };
      channel.postMessage("taken?");
      setTimeout(() => {
        if (!ours) channel.close();
        else channel.onmessage = (message) => message.data === "taken?" && channel.postMessage("taken");
        this.free = () => channel.close();
        resolve(ours);
      }, 150);
    });
  }
}

function fresh(): Stored {
  return { id: random(), nonce: random() };
}

/** 128 random bits in base64url without padding. */
export function random(): string {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return btoa(String.fromCharCode(...bytes)).replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "");
}

/**
 * The place of this frame in its tab: `top`, or the way down by indexes. A name of its own stands for its index, which
 * changes when a frame before it is taken away.
 */
function framePath(): string {
  const path: (number | string)[] = [];
  for (let frame: Window = window; frame !== frame.parent; frame = frame.parent) {
    let index = 0;
    while (index < frame.parent.length && frame.parent[index] !== frame) index++;
    path.unshift(frame === window && window.name ? window.name : index); // those above may be of another origin
  }
  return path.length ? path.join(".") : "top";
}
