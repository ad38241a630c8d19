// Where a tab keeps its session, and how it knows that the session is its own.
//
// Session storage survives a reload, is copied into a duplicated tab, and is shared by the same-origin frames of
// a tab. So a slot is named by the place of its frame, and counts as ours only while this document holds a Web
// Lock of the slot's random name, which the first tab still holds when a second one starts with a copy. Insecure pages
// have no Web Locks: there the tabs ask one another by that name. One that is frozen or busy cannot answer, so a
// tab that comes back asks as well, and yields to the one that goes on with its session.

interface Stored {
  readonly id: string;
  readonly nonce: string;
  readonly resume?: string;
}

export interface Credentials {
  readonly nonce: string;
  readonly resume?: string;
}

/**
 * How long the document before this one, in the same tab, may take to let go of the slot: on a slow machine it is still being
 * taken down when this one runs. Only a duplicated tab waits for all of it.
 */
const letGo = 2000;
/** How long other tabs may take to answer, where there are no Web Locks. */
const answer = 500;

export class Slot {
  private stored: Stored = fresh();
  private free: (() => void) | null = null;
  private channel: BroadcastChannel | null = null;

  private constructor(private readonly key: string) {}

  /** Finds this tab's own session, or makes room for a new one. */
  static async claim(base: string): Promise<Slot> {
    const slot = new Slot(`editlock ${base} ${framePath()}`);
    const before = slot.read();
    if (before && (await slot.hold(before.id))) {
      slot.stored = before;
    } else {
      // Nothing here, or a copy of what another tab is using: a session of our own.
      slot.write(fresh());
      if ("locks" in navigator) await slot.hold(slot.stored.id);
      else slot.listen(slot.stored.id, () => true); // a new name: nobody else has it
    }
    return slot;
  }

  /** Whether the session is still this tab's. Where it may be another's, it is given up here. */
  async still(): Promise<boolean> {
    if ("locks" in navigator || (await this.ask(this.stored.id, "0"))) return true;
    this.discard();
    return false;
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

  /** The session goes on elsewhere, or not at all: neither its name nor its credentials are this tab's any more. */
  discard(): void {
    this.write(fresh());
    this.release();
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

  private hold(id: string): Promise<boolean> {
    if (!("locks" in navigator)) return this.ask(id, "1");
    const given = new AbortController();
    const timer = setTimeout(() => given.abort(), letGo);
    return new Promise((resolve) => {
      const until = new Promise<void>((free) => (this.free = free));
      navigator.locks
        .request(`editlock:${id}`, { signal: given.signal }, () => {
          clearTimeout(timer);
          resolve(true);
          return until;
        })
        .catch(() => resolve(false));
    });
  }

  /**
   * Asks the other tabs whether one of them has the slot. Of several that ask at the same time the one with the lowest
   * mark has it; `rank`, its first character, puts those that had it before in front of those that start.
   */
  private ask(id: string, rank: "0" | "1"): Promise<boolean> {
    const mark = rank + random();
    let ours = true;
    const channel = this.listen(id, (theirs) => {
      if (theirs < mark) ours = false;
      return ours;
    }, (told) => {
      if (told === mark) ours = false;
    });
    if (!channel) return Promise.resolve(true);
    channel.postMessage({ ask: mark });
    return new Promise((resolve) => {
      setTimeout(() => {
        if (!ours) this.release();
        else if (this.channel === channel) this.listen(id, () => true);
        resolve(ours);
      }, answer);
    });
  }

  /** Hears what other tabs ask about the slot, and tells those that `refuses` says must not have it. */
  private listen(id: string, refuses: (mark: string) => boolean, told?: (mark: string) => void): BroadcastChannel | null {
    if (typeof BroadcastChannel === "undefined") return null;
    const channel = (this.channel ??= new BroadcastChannel(`editlock:${id}`));
    this.free = () => {
      channel.close();
      this.channel = null;
    };
    channel.onmessage = ({ data }: MessageEvent<{ ask?: unknown; taken?: unknown }>) => {
      if (typeof data.taken === "string") told?.(data.taken);
      if (typeof data.ask === "string" && refuses(data.ask)) channel.postMessage({ taken: data.ask });
    };
    return channel;
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
