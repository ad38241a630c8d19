// Watching many resources at once, for lists with live badges.
import type { Connection } from "./connection.js";
import type { SnapshotFrame } from "./protocol.js";
import type { Holder } from "./snapshot.js";

/** One resource as a list shows it. */
export interface Entry {
  readonly resource: string;
  readonly state: "free" | "held" | "lapsed";
  readonly holder: Holder | null;
  readonly waiting: number;
  readonly version: string | null;
}

export type EntriesListener = (entries: ReadonlyMap<string, Entry>) => void;

interface Watched {
  readonly prefix: string;
  entries: Map<string, Entry>;
  revisions: Map<string, number>;
  readonly listeners: Set<EntriesListener>;
  known: boolean;
}

export class Prefixes {
  private readonly watched = new Map<string, Watched>();

  constructor(private readonly connection: Connection) {}

  get size(): number {
    return this.watched.size;
  }

  /** Calls the listener with all that is not free below the prefix, now and at every change. */
  watch(prefix: string, listener: EntriesListener): () => void {
    let watched = this.watched.get(prefix);
    if (!watched) {
      watched = { prefix, entries: new Map(), revisions: new Map(), listeners: new Set(), known: false };
      this.watched.set(prefix, watched);
      if (this.connection.online()) void this.ask(watched);
    }
    const own: EntriesListener = (entries) => listener(entries);
    watched.listeners.add(own);
    const { entries, known, listeners } = watched;
    if (known) queueMicrotask(() => listeners.has(own) && own(entries));
    return () => {
      listeners.delete(own);
      if (listeners.size || this.watched.get(prefix)?.listeners !== listeners) return;
      this.watched.delete(prefix);
      this.connection.request({ type: "unwatch", prefix }).catch(() => undefined);
    };
  }

  online(): void {
    for (const watched of this.watched.values()) void this.ask(watched);
  }

  offline(): void {
    // What was seen last stays on show until the server says otherwise.
  }

  pushed(frame: SnapshotFrame): void {
    for (const watched of this.watched.values()) {
      if (!frame.resource.startsWith(watched.prefix)) continue;
      if (frame.revision < (watched.revisions.get(frame.resource) ?? 0)) continue;
      watched.revisions.set(frame.resource, frame.revision);
      const entries = new Map(watched.entries);
      if (frame.state === "free") entries.delete(frame.resource);
      else entries.set(frame.resource, entry(frame));
      this.tell(watched, entries);
    }
  }

  private async ask(watched: Watched): Promise<void> {
    try {
      const { snapshots } = await this.connection.request({ type: "watch", prefix: watched.prefix });
      if (this.watched.get(watched.prefix) !== watched) return;
      watched.revisions = new Map(snapshots.map((frame) => [frame.resource, frame.revision]));
      watched.known = true;
      this.tell(watched, new Map(snapshots.map((frame) => [frame.resource, entry(frame)])));
    } catch {
      // Asked again on the next connection; a refusal will not change before that.
    }
  }

  private tell(watched: Watched, entries: Map<string, Entry>): void {
    watched.entries = entries;
    for (const listener of [...watched.listeners]) listener(entries);
  }
}

function entry(frame: SnapshotFrame): Entry {
  const holder = frame.holder;
  return Object.freeze({
    resource: frame.resource,
    state: frame.state,
    holder: holder && Object.freeze({
      id: holder.user, name: holder.name, since: Math.round(Date.now() - holder.held_for * 1000),
      you: holder.you, yours: holder.yours,
    }),
    waiting: frame.waiting,
    version: frame.version,
  });
}
