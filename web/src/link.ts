// One connection from hello to close. It answers pings, counts belief and matches answers; when to have another
// one is the connection's business.
import { acknowledged, begin, check, left, ponged, type Belief } from "./belief.js";
import type { Clock, Instant } from "./clock.js";
import { openPipe, type Pipe, type PipeEvents, type Way } from "./pipe.js";
import {
  parseFrame,
  type OkFrame, type PingFrame, type Request, type ServerFrame, type SnapshotFrame, type WelcomeFrame,
} from "./protocol.js";
import type { Credentials } from "./slot.js";

/** A request that the server refused, or that found no server. */
export class EditlockError extends Error {
  override readonly name = "EditlockError";
  constructor(
    /** A code of the protocol, or `disconnected`: it may or may not have been done. */
    readonly code: string,
    message: string,
    readonly retryAfter = 0,
    /** How things stand with the resource, where the refusal said so. */
    readonly frame: SnapshotFrame | null = null,
  ) {
    super(message);
  }
}

export interface LinkEvents {
  /** Credentials for a second hello, after the session could not be resumed. */
  fresh(): Credentials;
  welcomed(link: Link, welcome: WelcomeFrame): void;
  pushed(link: Link, snapshot: SnapshotFrame): void;
  pinged(link: Link, ping: PingFrame): void;
  moving(link: Link, within: number): void;
  /** Once, unless the page closed it. `fault` is the last error before the welcome. */
  closed(link: Link, code: number, fault: EditlockError | null): void;
}

interface Waiter {
  resolve(frame: OkFrame): void;
  reject(error: EditlockError): void;
}

/**
 * Seconds from opening a connection until there is a server at its end, and from then to the welcome. The first is less than a
 * server gives a client that answers no ping: what a proxy keeps back must not arrive, whole, when that one ends the connection.
 */
const patience = { opening: 4, welcome: 10 };

export class Link implements PipeEvents {
  welcome: WelcomeFrame | null = null;
  /** Whether there was ever a server at the other end. */
  reached = false;
  /** Whether it ended because nothing came. */
  silent = false;
  /** When anything arrived last. */
  heard: Instant;
  private readonly pipe: Pipe;
  private readonly waiters = new Map<number, Waiter>();
  private belief: Belief | null = null;
  private helloSent: Instant;
  private fault: EditlockError | null = null;
  private lastId = 0;
  private watchdog = 0;
  private over = false;

  constructor(
    readonly way: Way, base: string, private readonly token: string, private readonly credentials: Credentials,
    private readonly clock: Clock, private readonly events: LinkEvents,
  ) {
    this.heard = this.helloSent = clock();
    this.pipe = openPipe(way, base, this);
    this.arm(way === "poll" ? patience.welcome : patience.opening); // its first answer ends with the welcome
  }

  ready(): void {
    if (!this.over) this.hello(this.credentials);
  }

  opened(): void {
    if (this.over) return;
    this.reached = true;
    this.arm(patience.welcome);
  }

  /** Whether what came over this connection still vouches for the session: a bare disconnect changes nothing. */
  sure(): boolean {
    if (!this.belief) return false;
    this.belief = check(this.belief, this.clock());
    return !this.belief.lapsed;
  }

  /** Seconds for which it does so yet. */
  left(): number {
    return this.belief ? left(this.belief, this.clock()) : 0;
  }

  request(request: Request): Promise<OkFrame> {
    return new Promise((resolve, reject) => {
      if (this.over || !this.welcome) return reject(disconnected());
      this.waiters.set(this.send(request), { resolve, reject });
    });
  }

  /** Closes without a word to the events; open requests are rejected. */
  close(): void {
    if (this.over) return;
    this.finish();
    this.pipe.close();
  }

  private hello(credentials: Credentials): void {
    this.helloSent = this.clock();
    this.send({ type: "hello", token: this.token, ...credentials });
  }

  private send(request: Request): number {
    const id = ++this.lastId;
    this.pipe.send(JSON.stringify({ id, ...request }));
    return id;
  }

  received(data: unknown): void {
    if (this.over || typeof data !== "string") return;
    const frame = parseFrame(data);
    if (!frame) return;
    this.heard = this.clock();
    // Answered here and not from a timer: a hidden page's timers run once a minute.
    if (frame.type === "ping") return this.ping(frame);
    this.dispatch(frame);
  }

  private ping(frame: PingFrame): void {
    const now = this.heard;
    if (this.belief) {
      this.belief = ponged(acknowledged(this.belief, frame.ack, now), frame.ping, now);
    }
    this.pipe.send(JSON.stringify({ type: "pong", ping: frame.ping }));
    this.armForPing();
    this.events.pinged(this, frame);
  }

  private dispatch(frame: Exclude<ServerFrame, PingFrame>): void {
    switch (frame.type) {
      case "welcome":
        this.welcome = frame;
        this.belief = begin(this.helloSent, frame.ttl, frame.margin);
        this.armForPing();
        return this.events.welcomed(this, frame);
      case "ok":
        this.waiters.get(frame.id)?.resolve(frame);
        this.waiters.delete(frame.id);
        return;
      case "error": {
        const error = new EditlockError(frame.code, frame.message, frame.retry_after, frame.snapshot);
        if (!this.welcome) {
          this.fault = error;
          if (frame.code === "resume_refused") this.hello(this.events.fresh());
          return;
        }
        this.waiters.get(frame.id)?.reject(error);
        this.waiters.delete(frame.id);
        return;
      }
      case "snapshot":
        return this.events.pushed(this, frame.snapshot);
      case "move":
        return this.events.moving(this, frame.within);
    }
  }

  private armForPing(): void {
    const welcome = this.welcome;
    if (welcome) this.arm(welcome.heartbeat * 1.1 + welcome.pong_timeout);
  }

  private arm(seconds: number): void {
    clearTimeout(this.watchdog);
    this.watchdog = window.setTimeout(() => {
      this.silent = true;
      this.pipe.close();
      this.closed(1006);
    }, seconds * 1000);
  }

  closed(code: number): void {
    if (this.over) return;
    this.finish();
    this.events.closed(this, code, this.fault);
  }

  private finish(): void {
    this.over = true;
    clearTimeout(this.watchdog);
    for (const waiter of this.waiters.values()) waiter.reject(disconnected());
    this.waiters.clear();
  }
}

export function disconnected(): EditlockError {
  return new EditlockError("disconnected", "The connection to the lock server is gone. It comes back by itself.");
}
