// Watching many resources at once, for lists with live badges.
import { asError, type Connection } from "./connection.js";
import { isPassing } from "./lock.js";
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
  readonly failures: Set<(error: unknown) => void>;
  known: boolean;
  /** Counts the questions, so that a late answer or timer of an earlier one is told from the last. */
  asked: number;
  /** Seconds until it is asked again after a passing error. */
  pause: number;
}

export class Prefixes {
  private readonly watched = new Map<string, Watched>();

  constructor(private readonly connection: Connection) {}

  get size(): number {
    return this.watched.size;
  }

  /** Calls the listener with all that is not free below the prefix, now and at every change. */
  watch(prefix: string, listener: EntriesListener, failed?: (error: unknown) => void): () => void {
    let watched = this.watched.get(prefix);
    if (!watched) {
      watched = { prefix, entries: new Map(), revisions: new Map(), listeners: new Set(), failures: new Set(), known: false, asked: 0, pause: 0 };
      this.watched.set(prefix, watched);
      if (this.connection.online()) void this.ask(watched);
    }
    const own: EntriesListener = (entries) => listener(entries);
    watched.listeners.add(own);
    if (failed) watched.failures.add(failed);
    const { entries, known, listeners, failures } = watched;
    if (known) queueMicrotask(() => listeners.has(own) && own(entries));
    return () => {
      listeners.delete(own);
      if (failed) failures.delete(failed);
      if (listeners.size || this.watched.get(prefix)?.listeners !== listeners) return;
      this.watched.delete(prefix);
      this.connection.request({ type: "unwatch", prefix }).catch(() => undefined);
    };
  }

  online(): void {
    for (const watched of this.watched.values()) void this.ask(watched);
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
    const turn = ++watched.asked;
    const current = (): boolean => turn === watched.asked && this.watched.get(watched.prefix) === watched;
    try {
      const { snapshots } = await this.connection.request({ type: "watch", prefix: watched.prefix });
      if (!current()) return;
      watched.revisions = new Map(snapshots.map((frame) => [frame.resource, frame.revision]));
      watched.known = true;
      watched.pause = 0;
      this.tell(watched, new Map(snapshots.map((frame) => [frame.resource, entry(frame)])));
    } catch (error) {
      const { code, message, retryAfter } = asError(error);
      // Asked again on the next connection.
      if (code === "disconnected" || !current()) return;
      for (const failed of [...watched.failures]) failed(error);
      if (!isPassing(code)) return console.warn(`editlock: watch ${watched.prefix}: ${message} (${code})`);
      watched.pause = Math.max(retryAfter, Math.min(30, watched.pause * 2 || 1));
      setTimeout(() => current() && this.connection.online() && void this.ask(watched), watched.pause * 1000);
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
