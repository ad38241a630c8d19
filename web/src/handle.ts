// What scripts hold in their hands.
import type { Client } from "./client.js";
import { Core, type Refresh } from "./core.js";
import { EditlockError } from "./link.js";
import type { LockSnapshot } from "./snapshot.js";

export interface OpenOptions {
  /** `open` (the default) acquires at once; `edit` and `manual` only look on until `acquire()` is called. */
  readonly start?: "open" | "edit" | "manual";
  /** Loads and shows fresh content before `held` is reported; when it rejects, the lock is released. */
  readonly refresh?: Refresh;
  /** Keeps what was typed: called when the page is hidden while it holds the lock. */
  readonly save?: (lock: Lock) => unknown;
  /** Closes the handle when it is aborted. */
  readonly signal?: AbortSignal;
}

export interface AcquireOptions {
  /** False: do not queue when somebody else holds. */
  readonly wait?: boolean;
  /** Takes the lock over from another tab of the same user. */
  readonly move?: boolean;
}

/** One use of the lock of a resource. All uses in a document share one lock; the last to close releases it. */
export class Lock {
  private readonly offs: (() => void)[] = [];
  private closed = false;

  constructor(private readonly core: Core, private readonly client: Client, options: OpenOptions = {}) {
    core.uses++;
    const { refresh, save, signal, start } = options;
    if (refresh) {
      core.refreshes.add(refresh);
      this.offs.push(() => core.refreshes.delete(refresh));
    }
    if (save) {
      const hidden = (): void => {
        if (document.visibilityState === "hidden" && this.snapshot.state === "held") void save(this);
      };
      document.addEventListener("visibilitychange", hidden);
      this.offs.push(() => document.removeEventListener("visibilitychange", hidden));
    }
    if (signal?.aborted) this.close();
    else signal?.addEventListener("abort", () => this.close(), { once: true });
    if ((start ?? "open") === "open") this.acquire();
  }

  get resource(): string {
    return this.core.resource;
  }

  /** The present picture; the same object until something changes. */
  get snapshot(): LockSnapshot {
    return this.core.current();
  }

  /** Calls `listener` at every change until the function it returns is called. */
  subscribe(listener: (snapshot: LockSnapshot) => void): () => void {
    const off = this.core.subscribe(listener);
    this.offs.push(off);
    return off;
  }

  /** Asks for the lock, or for a place in the line. What comes of it is in the snapshots. */
  acquire(options: AcquireOptions = {}): void {
    if (this.closed) return;
    this.client.retryIfStopped();
    this.core.dispatch({ type: "acquire", queue: options.wait ?? true, move: options.move ?? false });
  }

  /** Resolves when this page holds the lock and shows fresh content; rejects when it cannot come to that. */
  async held(options: { signal?: AbortSignal } = {}): Promise<void> {
    await this.core.until((snapshot) => {
      if (snapshot.state === "held") return true;
      if (snapshot.state === "lost") throw Core.lostError(snapshot);
      if (!this.core.waits) throw refusal(snapshot);
      return null;
    }, options.signal);
  }

  /** Leaves the line, or gives a lock up: the page only looks on from now on. */
  cancel(): void {
    this.core.dispatch({ type: "release", version: null });
  }

  /**
   * Gives the lock up. `version` names the content that was saved last, so that the next one does not see less.
   * Resolves when the server has it; an unreachable server gets it when it is back.
   */
  async release(options: { version?: string | number } = {}): Promise<void> {
    const { version } = options;
    this.core.dispatch({ type: "release", version: version === undefined ? null : String(version) });
    await this.core.until(() => (this.core.settled ? true : null));
  }

  /** Tells the others that content was saved as `version`, and goes on editing. */
  async changed(version: string | number): Promise<void> {
    const { fence } = this.snapshot;
    if (fence === null) throw Core.lostError(this.snapshot);
    await this.core.send({ type: "changed", resource: this.resource, fence, version: String(version) });
  }

  /**
   * The headers of a save: `Lock-Token`. Waits while it is not certain that the lock is still held, and rejects
   * when it is not, so that nothing is saved over somebody else's work.
   */
  async headers(options: { signal?: AbortSignal } = {}): Promise<{ "Lock-Token": string }> {
    this.core.current();
    const token = await this.core.until((snapshot) => {
      if (snapshot.state === "lost") throw Core.lostError(snapshot);
      if (snapshot.state !== "held" && snapshot.state !== "unsure" && snapshot.state !== "refreshing") {
        throw new EditlockError("not_held", `You do not hold ${snapshot.resource}. Acquire it before you save.`);
      }
      return this.core.token();
    }, options.signal);
    return { "Lock-Token": token };
  }

  /** The lock token for this very moment, or null while it is not certain that the lock is held. */
  token(): string | null {
    this.core.current();
    return this.core.token();
  }

  /** Ends this use. A use of the same resource that begins within the same task takes over without losing anything. */
  close(): void {
    if (this.closed) return;
    this.closed = true;
    for (const off of this.offs.splice(0)) off();
    setTimeout(() => {
      if (--this.core.uses === 0) this.core.dispatch({ type: "close" });
    }, 0);
  }
}

function refusal(snapshot: LockSnapshot): EditlockError {
  const { error } = snapshot;
  return error
    ? new EditlockError(error.code, error.message)
    : new EditlockError("cancelled", `${snapshot.resource} is not asked for any more.`);
}
