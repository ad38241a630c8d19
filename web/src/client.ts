// All locks of this document at one server: one session, one connection.
import { Access, type Auth } from "./access.js";
import { elapsed, jumped, systemClock, type Clock, type Instant } from "./clock.js";
import { Connection } from "./connection.js";
import { Core } from "./core.js";
import { takeDone } from "./done.js";
import { followLifecycle } from "./lifecycle.js";
import type { EditlockError } from "./link.js";
import { isPassing, type LockError } from "./lock.js";
import type { Way } from "./pipe.js";
import type { PingFrame, SnapshotFrame, WelcomeFrame } from "./protocol.js";
import { Prefixes } from "./prefixes.js";

/** How long a resumed session may hold what no part of the new page has asked for yet. */
const unclaimedFor = 3;
/** How long a session lasts that nothing uses. */
const unusedFor = 30;

export class Client {
  private readonly cores = new Map<string, Core>();
  readonly prefixes: Prefixes;
  private readonly connection: Connection;
  private readonly access: Access;
  private readonly clock: Clock;
  /** What the resumed session holds or waits for, until the page asks for it. */
  private unclaimed = new Map<string, SnapshotFrame>();
  private sure = false;
  /** Since when belief has lapsed, and how much later the lease itself ends. */
  private unsureSince: Instant;
  private margin = 3;
  private wasOverdue = false;
  private lastPulse: Instant;
  private usedAt: Instant;
  private pulsing = 0;
  private heartbeat = 10;
  /** What keeps the page from connecting; null when nothing does. */
  trouble: EditlockError | null = null;
  /** Called when `trouble` or `overdue` changes. */
  readonly troubles = new Set<() => void>();
  private warned = "";
  user: { readonly id: string; readonly name: string } | null = null;

  constructor(base: string, auth: Auth, forced: Way | null = null) {
    this.clock = systemClock;
    this.lastPulse = this.usedAt = this.unsureSince = this.clock();
    this.access = new Access(auth, this.clock);
    this.connection = new Connection(base, this.access, this.clock, {
      welcomed: (welcome) => this.welcomed(welcome),
      down: () => this.down(),
      pushed: (snapshot) => this.pushed(snapshot),
      pinged: (ping) => this.pinged(ping),
      trouble: (error) => this.troubled(error),
      urgent: () => [...this.cores.values()].some((core) => core.holding),
    }, forced);
    this.prefixes = new Prefixes(this.connection);
    followLifecycle(this);
  }

  /** The lock of a resource, made when it is asked for first. */
  core(resource: string): Core {
    const name = resource.normalize("NFC");
    let core = this.cores.get(name);
    if (!core) {
      core = new Core(name, this.connection, this.clock, () => this.pulse());
      this.cores.set(name, core);
      this.use();
      if (this.connection.online()) {
        core.dispatch({ type: "sure", sure: this.sure });
        core.dispatch({ type: "online", resumed: true, snapshot: this.unclaimed.get(name) ?? null });
        this.unclaimed.delete(name);
      }
      core.dispatch({ type: "trouble", trouble: this.lasting() });
    } else {
      core.dispatch({ type: "reopen" });
    }
    return core;
  }

  /** Something is needed of the server: be connected. */
  use(): void {
    this.usedAt = this.clock();
    if (!this.pulsing) this.pulsing = window.setInterval(() => this.pulse(), 1000);
    this.connection.open();
  }

  /** A person asks again: comes back even where the server had refused for good. */
  retryIfStopped(): void {
    this.use();
    if (!this.connection.online() && this.trouble) this.connection.retry(false);
  }

  /** Cut off for so long that the lease is over: somebody else may have been let in. */
  get overdue(): boolean {
    return !this.sure && !this.connection.online() && elapsed(this.unsureSince, this.clock()) > this.margin;
  }

  /** Looks at the clocks: whether belief still stands, and whether the machine was asleep. */
  pulse(): void {
    const now = this.clock();
    const asleep = jumped(this.lastPulse, now);
    this.lastPulse = now;
    if (asleep) this.returned(true);
    this.setSure(this.connection.sure());
    this.connection.check();
    for (const [name, core] of this.cores) {
      if (core.done) this.cores.delete(name);
      else core.act();
    }
    if (this.overdue !== this.wasOverdue) {
      this.wasOverdue = !this.wasOverdue;
      for (const listener of [...this.troubles]) listener();
    }
    if (this.cores.size || this.prefixes.size) this.usedAt = now;
    else if (elapsed(this.usedAt, now) > unusedFor) this.leave();
  }

  /** The page is going, for ever or into the back/forward cache. */
  leave(): void {
    clearInterval(this.pulsing);
    this.pulsing = 0;
    this.doubt();
    this.connection.leave();
  }

  /** The page is back. `suspect`: the connection may be dead without knowing. */
  returned(suspect: boolean): void {
    if (!this.cores.size && !this.prefixes.size) return;
    this.doubt();
    this.lastPulse = this.clock();
    this.use();
    this.setSure(this.connection.sure());
    if (suspect || this.connection.silence() > this.heartbeat * 1.2) this.connection.retry(true);
    else for (const core of this.cores.values()) core.act();
  }

  private doubt(): void {
    for (const core of this.cores.values()) core.dispatch({ type: "doubt" });
  }

  private setSure(sure: boolean): void {
    if (sure === this.sure) return;
    this.sure = sure;
    if (!sure) this.unsureSince = this.clock();
    for (const core of this.cores.values()) core.dispatch({ type: "sure", sure });
  }

  private welcomed(welcome: WelcomeFrame): void {
    this.user = welcome.user;
    this.heartbeat = welcome.heartbeat;
    this.margin = welcome.margin;
    this.setSure(this.connection.sure());
    const listed = new Map(welcome.snapshots.map((snapshot) => [snapshot.resource, snapshot]));
    for (const [name, core] of this.cores) {
      core.dispatch({ type: "online", resumed: welcome.resumed, snapshot: listed.get(name) ?? null });
      listed.delete(name);
    }
    this.unclaimed = listed;
    if (listed.size) this.dropUnclaimed();
    this.prefixes.online();
  }

  /** Leaving a page releases: what the next page of this tab does not use, it does not keep. */
  private dropUnclaimed(): void {
    if (document.readyState !== "complete") {
      window.addEventListener("load", () => this.dropUnclaimed(), { once: true });
      return;
    }
    const drop = (names: string[]): void => {
      for (const name of names) if (this.unclaimed.has(name)) this.core(name).dispatch({ type: "close" });
    };
    drop([...this.unclaimed.keys()].filter(takeDone));
    setTimeout(() => drop([...this.unclaimed.keys()]), unclaimedFor * 1000);
  }

  private down(): void {
    this.setSure(this.connection.sure());
    for (const core of this.cores.values()) core.dispatch({ type: "offline" });
  }

  private pushed(snapshot: SnapshotFrame): void {
    const core = this.cores.get(snapshot.resource);
    if (core) core.dispatch({ type: "push", snapshot });
    else if (this.unclaimed.has(snapshot.resource)) this.unclaimed.set(snapshot.resource, snapshot);
    this.prefixes.pushed(snapshot);
  }

  private pinged(ping: PingFrame): void {
    this.setSure(this.connection.sure());
    for (const { resource, fence, token, expires_in } of ping.locks) {
      this.cores.get(resource)?.dispatch({ type: "token", fence, token, expires: expires_in });
    }
  }

  private troubled(error: EditlockError | null): void {
    if (error === this.trouble) return;
    this.trouble = error;
    const trouble = this.lasting();
    // Said once, and not again at every attempt to come back.
    if (trouble && trouble.message !== this.warned) console.warn(`editlock: ${trouble.message} (${trouble.code})`);
    if (trouble || !error) this.warned = trouble?.message ?? "";
    for (const core of this.cores.values()) core.dispatch({ type: "trouble", trouble });
    for (const listener of [...this.troubles]) listener();
  }

  /** Trouble that somebody has to look at, and that does not pass by itself. */
  private lasting(): LockError | null {
    if (!this.trouble || isPassing(this.trouble.code)) return null;
    const { code, message } = this.trouble;
    return Object.freeze({ code, message });
  }
}
