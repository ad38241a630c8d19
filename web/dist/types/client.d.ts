import { type Auth } from "./access.js";
import { Core } from "./core.js";
import type { EditlockError } from "./link.js";
import type { Way } from "./pipe.js";
import { Prefixes } from "./prefixes.js";
export declare class Client {
    private readonly cores;
    readonly prefixes: Prefixes;
    private readonly connection;
    private readonly access;
    private readonly clock;
    /** What the resumed session holds or waits for, until the page asks for it. */
    private unclaimed;
    private sure;
    /** Since when belief has lapsed, and how much later the lease itself ends. */
    private unsureSince;
    private margin;
    private wasOverdue;
    private lastPulse;
    private usedAt;
    private pulsing;
    private heartbeat;
    /** What keeps the page from connecting; null when nothing does. */
    trouble: EditlockError | null;
    /** Called when `trouble` or `overdue` changes. */
    readonly troubles: Set<() => void>;
    private warned;
    user: {
        readonly id: string;
        readonly name: string;
    } | null;
    constructor(base: string, auth: Auth, forced?: Way | null);
    /** The lock of a resource, made when it is asked for first. */
    core(resource: string): Core;
    /** Something is needed of the server: be connected. */
    use(): void;
    /** A person asks again: comes back even where the server had refused for good. */
    retryIfStopped(): void;
    /** Cut off for so long that the lease is over: somebody else may have been let in. */
    get overdue(): boolean;
    /** Looks at the clocks: whether belief still stands, and whether the machine was asleep. */
    pulse(): void;
    /** The page is going, for ever or into the back/forward cache. */
    leave(): void;
    /** The page is back. `suspect`: the connection may be dead without knowing. */
    returned(suspect: boolean): void;
    private doubt;
    private setSure;
    private welcomed;
    /** Leaving a page releases: what the next page of this tab does not use, it does not keep. */
    private dropUnclaimed;
    private down;
    private pushed;
    private pinged;
    private troubled;
    /** Trouble that somebody has to look at, and that does not pass by itself. */
    private lasting;
}
