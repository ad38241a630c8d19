// Keeps one session connected: when to open a link, when to come back, what to do on being told to move.
import type { Access } from "./access.js";
import { elapsed, type Clock, type Instant } from "./clock.js";
import { disconnected, EditlockError, Link, type LinkEvents } from "./link.js";
import { socketUrl, type Way } from "./pipe.js";
import {
  comeback, delay, sessionOver, type OkFrame, type PingFrame, type Request, type SnapshotFrame, type WelcomeFrame,
} from "./protocol.js";
import { Slot } from "./slot.js";
import { Ways } from "./ways.js";

export interface ConnectionEvents {
  /** Requests go to a new link from now on. */
  welcomed(welcome: WelcomeFrame): void;
  /** There is no link that requests could go to. */
  down(): void;
  pushed(snapshot: SnapshotFrame): void;
  pinged(ping: PingFrame): void;
  /** Something that a person may have to know or do; null when it is over. */
  trouble(error: EditlockError | null): void;
  /** Whether a lock is held, so that coming back is urgent. */
  urgent(): boolean;
}

export class Connection implements LinkEvents {
  private slot: Slot | null = null;
  private current: Link | null = null;
  /** The link that was welcomed last, open or not: belief rests on it. */
  private believed: Link | null = null;
  private next: Link | null = null;
  /** The next link only tries whether a WebSocket gets through: nothing is wrong with the current one. */
  private probing = false;
  private timer = 0;
  private attempts = 0;
  /** Connections that were refused or found nobody, until the first that opened: then the addresses are right. */
  private unopened = 0;
  private working = false;
  /** Rises when everything in progress is to be forgotten. */
  private life = 0;
  private lastTry: Instant | null = null;
  private wanted = false;
  private renewing = false;
  private told = false;
  private readonly ways: Ways;

  /** `base` is the absolute URL at which the server's handler is mounted, without a slash at its end. `forced`: no other way is tried. */
  constructor(
    private readonly base: string, private readonly access: Access,
    private readonly clock: Clock, private readonly events: ConnectionEvents, forced: Way | null = null,
  ) {
    this.ways = new Ways(`editlock way ${base}`, forced);
  }

  /** Connects, and stays connected, until `leave`. */
  open(): void {
    if (this.wanted) return;
    this.wanted = true;
    void this.connect();
  }

  /** Whether the server vouches for the session now. */
  sure(): boolean {
    return this.believed?.sure() ?? false;
  }

  online(): boolean {
    return this.current !== null;
  }

  /** Seconds since the server was heard last; infinite without a link. */
  silence(): number {
    return this.current ? elapsed(this.current.heard, this.clock()) : Infinity;
  }

  request(request: Request): Promise<OkFrame> {
    return this.current ? this.current.request(request) : Promise.reject(disconnected());
  }

  /** Belief that has lapsed comes back only on a new link: sees to it that there is one. */
  check(): void {
    if (this.wanted && this.current && !this.current.sure() && !this.next && !this.timer) void this.connect();
  }

  /** Comes back at once, on a new link; the present one is not to be trusted if `drop`. */
  retry(drop: boolean): void {
    if (!this.wanted) return;
    if (drop && this.current) {
      this.current.close();
      this.current = null;
      this.events.down();
    }
    if (drop) {
      this.next?.close();
      this.next = null;
      this.probing = false;
    }
    if (this.next || this.working) return;
    const since = this.lastTry ? elapsed(this.lastTry, this.clock()) : Infinity;
    if (since < 1) this.later(1 - since);
    else void this.connect();
  }

  /** The page is going: says so, in a way that outlives it, and lets go of everything. */
  leave(): void {
    if (!this.wanted) return;
    this.wanted = false;
    this.life++;
    clearTimeout(this.timer);
    this.timer = 0;
    const resume = this.slot?.credentials.resume;
    if (resume !== undefined && (this.current || this.attempts)) {
      void fetch(`${this.base}/v1/bye`, {
        method: "POST", keepalive: true, credentials: "same-origin",
        headers: { "Content-Type": "text/plain" }, body: JSON.stringify({ resume }),
      }).catch(() => undefined);
    }
    this.next?.close();
    this.next = null;
    const had = this.current;
    this.current = this.believed = null;
    had?.close();
    this.slot?.release();
    this.slot = null;
    if (had) this.events.down();
  }

  private async connect(way?: Way): Promise<void> {
    if (this.next || this.working || !this.wanted) return;
    clearTimeout(this.timer);
    this.timer = 0;
    this.working = true;
    this.lastTry = this.clock();
    const life = this.life;
    try {
      const before = this.slot;
      const slot = before && (await before.still()) ? before : await Slot.claim(this.base);
      if (life !== this.life) return slot.release();
      if (slot !== before) this.believed = null;
      this.slot = slot;
      const token = await this.access.get();
      if (life !== this.life) return;
      this.next = new Link(way ?? this.ways.next(), this.base, token, slot.credentials, this.clock, this);
    } catch (error) {
      if (life !== this.life) return;
      this.probing = false;
      this.events.trouble(asError(error));
      this.attempts = Math.max(this.attempts, 1);
      this.later(this.delay());
    } finally {
      this.working = false;
      // Left and opened again while waiting for the token.
      if (life !== this.life && this.wanted) void this.connect();
    }
  }

  private later(seconds: number): void {
    clearTimeout(this.timer);
    this.timer = window.setTimeout(() => {
      this.timer = 0;
      void this.connect();
    }, seconds * 1000);
  }

  private delay(): number {
    return delay(this.attempts++, this.events.urgent(), this.believed?.left() ?? 0, Math.random());
  }

  // What a link reports.

  fresh(): { nonce: string } {
    this.slot?.forget();
    this.believed = null;
    return { nonce: this.slot?.credentials.nonce ?? "" };
  }

  welcomed(link: Link, welcome: WelcomeFrame): void {
    if (link !== this.next) return;
    this.slot?.welcomed(welcome.resume);
    const before = this.current;
    this.current = this.believed = link;
    this.next = null;
    this.probing = false;
    this.attempts = 0;
    this.unopened = Infinity;
    this.ways.works(link.way);
    if (link.way !== "websocket" && !this.told) {
      this.told = true;
      console.info(`editlock: connected without WebSocket (${link.way}); a proxy seems to let none through to ${socketUrl(this.base)}.`);
    }
    clearTimeout(this.timer);
    this.timer = 0;
    before?.close();
    this.access.accepted(welcome.token_expires_in);
    this.events.trouble(null);
    this.events.welcomed(welcome);
  }

  pushed(link: Link, snapshot: SnapshotFrame): void {
    if (link === this.current) this.events.pushed(snapshot);
  }

  pinged(link: Link, ping: PingFrame): void {
    if (link !== this.current) return;
    this.events.pinged(ping);
    void this.renewToken(link);
    if (link.way !== "websocket" && this.ways.due() && !this.next && !this.timer && !this.working) {
      this.probing = true;
      void this.connect();
    }
  }

  moving(link: Link, within: number): void {
    if (link === this.current && !this.next) this.later(Math.random() * within);
  }

  closed(link: Link, code: number, fault: EditlockError | null): void {
    const probing = this.probing && link === this.next;
    if (!probing) this.unopened = link.reached ? Infinity : this.unopened + 1;
    if (this.unopened === 2) this.advise();
    if (link === this.next) {
      this.next = null;
      this.probing = false;
    } else if (link === this.current) {
      this.current = null;
      this.events.down();
      // The old link of a move ends when the new one is resumed, a moment before that tells us.
      if (this.next) return;
    } else return;
    if (probing && this.current) return this.ways.closed();
    const unheard = !link.welcome && !fault && (!link.reached || link.silent);
    const another = unheard ? this.ways.fails(link.way, link.silent) : null;
    if (another) void this.connect(another);
    else this.comeBack(code, fault);
  }

  /** Why a connection was refused is for the browser's eyes only: names what it may be. */
  private advise(): void {
    console.warn(`editlock: no connection to ${socketUrl(this.base)} from a page of ${location.origin}. If the browser says 403, start the server`
      + ` with --origin ${location.origin}; if it says 404, check server-url or the proxy.`);
  }

  private comeBack(code: number, fault: EditlockError | null): void {
    const how = comeback(code);
    fault &&= this.access.refused(fault);
    if (fault && fault.code !== "resume_refused") this.events.trouble(fault);
    else if (this.attempts > 1) this.events.trouble(new EditlockError("unavailable", "The lock server cannot be reached."));
    switch (how) {
      case "never":
        this.believed = null;
        if (sessionOver(code)) {
          this.slot?.discard();
          this.slot = null;
          break;
        }
        this.wanted = false;
        this.life++;
        return this.events.trouble(fault ?? new EditlockError("bad_request", `The server ended the connection (${code}).`));
      case "refresh":
        this.access.forget();
        return this.later(this.attempts++ === 0 ? 0 : this.delay());
      case "later":
        this.attempts = Math.max(this.attempts, 1);
        break;
      case "now":
    }
    this.later(Math.max(this.delay(), fault?.retryAfter ?? 0));
  }

  private async renewToken(link: Link): Promise<void> {
    const heartbeat = link.welcome?.heartbeat ?? 0;
    if (this.renewing || !this.access.due(heartbeat)) return;
    this.renewing = true;
    try {
      const token = await this.access.renew();
      const { token_expires_in } = await link.request({ type: "token", token });
      this.access.accepted(token_expires_in);
      this.events.trouble(null);
    } catch (error) {
      // The next ping tries again; the server closes with 4200 when it is too late.
      if (asError(error).code !== "disconnected") this.events.trouble(asError(error));
    } finally {
      this.renewing = false;
    }
  }
}

export function asError(error: unknown): EditlockError {
  if (error instanceof EditlockError) return error;
  return new EditlockError("unavailable", error instanceof Error ? error.message : String(error));
}
