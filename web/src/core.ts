// One lock of this document, shared by everything that uses it: runs the reducer, sends what it plans, loads fresh
// content, and tells whoever listens.
import { elapsed, type Clock, type Instant } from "./clock.js";
import type { Connection } from "./connection.js";
import { asError } from "./connection.js";
import { EditlockError } from "./link.js";
import { loadedWith, noteLoaded } from "./loaded.js";
import { givingUp, initial, isPassing, plan, reduce, settled, toLoad, type LockEvent, type LockState } from "./lock.js";
import type { LockRequest } from "./protocol.js";
import { picture, same, type LockSnapshot } from "./snapshot.js";

/** What a page gets to load fresh content with. */
export interface Grant {
  readonly fence: number;
  /** To be sent with the load, so that the application can refuse late writes of earlier holders. */
  readonly headers: Readonly<Record<string, string>>;
  /** Aborted when the lock is gone before the content came. */
  readonly signal: AbortSignal;
}

/** Loads and shows the content, at least as new as `version`; the page may edit when it resolves. */
export type Refresh = (version: string | null, grant: Grant) => unknown;

/** Refusals that a person can do nothing about, and a developer can. */
const mistakes: readonly string[] = ["bad_request", "bad_resource", "forbidden"];

export class Core {
  private state: LockState;
  private shown: LockSnapshot;
  private readonly listeners = new Set<(snapshot: LockSnapshot) => void>();
  /** Conditions that somebody waits for; looked at after every event, since tokens are in no picture. */
  private readonly awaited = new Set<() => void>();
  readonly refreshes = new Set<Refresh>();
  /** The mistakes that the console was told of, by code, and by code and message. */
  private readonly warned = new Set<string>();
  /** How many parts of the page use it. */
  uses = 0;
  private tokenAt: Instant;
  private holderSince = { frame: "", at: 0 };
  private mineSince = { frame: "", at: 0 };
  /** Tells the answer to the request on its way from the answers to older ones. */
  private turn = 0;
  private pausedUntil: Instant | null = null;
  private pause = 0;
  private loader: AbortController | null = null;

  constructor(
    readonly resource: string, private readonly connection: Connection, private readonly clock: Clock,
    private readonly check: () => void,
  ) {
    this.state = initial(resource, loadedWith(resource));
    this.shown = picture(this.state, 0, 0);
    this.tokenAt = clock();
  }

  get snapshot(): LockSnapshot {
    return this.shown;
  }

  /** Whether nothing of this lock is left to do or to show. */
  get done(): boolean {
    const s = this.state;
    return s.closed && (!s.online || (settled(s) && !s.watched)) && s.view?.mine == null;
  }

  get settled(): boolean {
    return settled(this.state);
  }

  get holding(): boolean {
    return this.state.fence !== 0;
  }

  get waits(): boolean {
    return this.state.wants || this.state.flight !== null;
  }

  subscribe(listener: (snapshot: LockSnapshot) => void): () => void {
    // A function may be given twice: each subscription is its own.
    const own = (snapshot: LockSnapshot): void => listener(snapshot);
    this.listeners.add(own);
    return () => this.listeners.delete(own);
  }

  /** Resolves with what the condition gives, as soon as that is not null; rejects with what it throws. */
  until<T>(condition: (snapshot: LockSnapshot) => T | null, signal?: AbortSignal): Promise<T> {
    return new Promise((resolve, reject) => {
      const stop = (): void => {
        this.awaited.delete(look);
        signal?.removeEventListener("abort", aborted);
      };
      const aborted = (): void => {
        stop();
        reject(signal?.reason);
      };
      const look = (): void => {
        try {
          const met = condition(this.shown);
          if (met === null) return;
          stop();
          resolve(met);
        } catch (error) {
          stop();
          reject(error);
        }
      };
      if (signal?.aborted) return aborted();
      signal?.addEventListener("abort", aborted);
      this.awaited.add(look);
      look();
    });
  }

  /** The lock token, if it is good for a moment yet and the page may be sure of the lock. */
  token(): string | null {
    const s = this.state;
    if (s.doubt || !s.sure || givingUp(s) || s.view?.mine?.state !== "held") return null;
    return s.token && elapsed(this.tokenAt, this.clock()) < s.tokenFor * 0.9 ? s.token : null;
  }

  dispatch(event: LockEvent): void {
    const before = this.state;
    if (event.type === "online" || event.type === "offline") this.turn++;
    if (event.type === "acquire" || event.type === "online") this.pausedUntil = null;
    this.state = reduce(before, event);
    if (this.state.token !== before.token || event.type === "token") this.tokenAt = this.clock();
    if (before.fence && !this.state.fence) noteLoaded(this.resource, 0);
    if (before.loading && this.state.loading !== before.loading && this.state.fresh !== before.loading) this.loader?.abort();
    this.act();
    this.publish();
    for (const look of [...this.awaited]) look();
  }

  /** Does what is due: called after every event, and every second for what had to wait. */
  act(): void {
    const fence = toLoad(this.state);
    if (fence) this.load(fence);
    if (this.pausedUntil && elapsed(this.pausedUntil, this.clock()) < this.pause) return;
    const request = plan(this.state);
    if (!request) return;
    const turn = ++this.turn;
    this.state = reduce(this.state, { type: "sent", request: request.type });
    this.connection.request(request).then(
      (ok) => {
        if (turn !== this.turn) return;
        this.pausedUntil = null;
        this.pause = 0;
        this.dispatch({ type: "answer", request: request.type, snapshot: ok.snapshot });
      },
      (reason: unknown) => {
        if (turn !== this.turn) return;
        const error = asError(reason);
        if (error.code === "disconnected") return this.dispatch({ type: "unanswered" });
        // Whatever was refused is not asked again at once, however the state came out.
        this.pause = Math.max(error.retryAfter, Math.min(30, this.pause * 2 || (isPassing(error.code) ? 1 : 2)));
        if (error.code === "stale_fence") this.pause = 0;
        this.pausedUntil = this.clock();
        const { code, message } = error;
        this.warn(request.type, code, message);
        this.dispatch({ type: "refused", request: request.type, error: { code, message }, snapshot: error.frame });
      },
    );
  }

  /** Tells the console of a mistake once. Who may not ask for the lock is often refused to look on as well: that is nothing new. */
  private warn(request: string, code: string, message: string): void {
    if (!mistakes.includes(code) || this.warned.has(request === "watch" ? code : code + message)) return;
    this.warned.add(code).add(code + message);
    console.warn(`editlock: ${request} ${this.resource}: ${message} (${code})`);
  }

  private load(fence: number): void {
    this.state = reduce(this.state, { type: "loading", fence });
    const version = this.state.view?.version ?? null;
    const loader = (this.loader = new AbortController());
    const headers = Object.freeze({ "Lock-Token": this.state.token });
    const grant: Grant = Object.freeze({ fence, headers, signal: loader.signal });
    if (this.refreshes.size === 0) {
      noteLoaded(this.resource, fence);
      this.state = reduce(this.state, { type: "loaded", fence });
      return;
    }
    Promise.all([...this.refreshes].map(async (refresh) => refresh(version, grant))).then(
      () => {
        if (this.state.fence === fence) noteLoaded(this.resource, fence);
        this.dispatch({ type: "loaded", fence });
      },
      (reason: unknown) => {
        if (loader.signal.aborted) return;
        const message = reason instanceof Error ? reason.message : String(reason);
        this.dispatch({ type: "unloaded", fence, error: { code: "refresh", message } });
      },
    );
  }

  private publish(): void {
    const next = picture(this.state, this.holderAt(), this.mineAt());
    if (same(this.shown, next)) return;
    this.shown = next;
    for (const listener of [...this.listeners]) {
      // One listener's fault must not keep the news from the others.
      try {
        listener(next);
      } catch (error) {
        reportError(error);
      }
    }
  }

  /** Shown times are counted back by our own clock from a duration of the server's: clocks may differ. */
  private holderAt(): number {
    const holder = this.state.view?.holder;
    const frame = holder ? holder.user + holder.since : "";
    if (this.holderSince.frame !== frame) {
      this.holderSince = { frame, at: Math.round((this.clock().wall - (holder?.held_for ?? 0)) * 1000) };
    }
    return this.holderSince.at;
  }

  private mineAt(): number {
    const mine = this.state.view?.mine;
    const holds = mine && mine.state !== "waiting" && mine.state !== "absent";
    const frame = mine ? (holds ? "holds " : "waits ") + mine.since : "";
    if (this.mineSince.frame !== frame) this.mineSince = { frame, at: Math.round(this.clock().wall * 1000) };
    return this.mineSince.at;
  }

  /** Sends a request that is no part of getting or giving up the lock. */
  async send(request: LockRequest): Promise<void> {
    const { snapshot } = await this.connection.request(request);
    if (snapshot) this.dispatch({ type: "push", snapshot });
  }

  /** The picture as of now: belief may have run out since the last event. */
  current(): LockSnapshot {
    this.check();
    return this.shown;
  }

  /** Refuses to go on without the lock. */
  static lostError(snapshot: LockSnapshot): EditlockError {
    const reason = snapshot.lost?.reason ?? "expired";
    return new EditlockError("lost", `You do not hold ${snapshot.resource} any more (${reason}). Your text is still here.`);
  }
}
