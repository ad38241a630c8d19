import type { Access } from "./access.js";
import { type Clock } from "./clock.js";
import { EditlockError, Link, type LinkEvents } from "./link.js";
import { type Way } from "./pipe.js";
import { type OkFrame, type PingFrame, type Request, type SnapshotFrame, type WelcomeFrame } from "./protocol.js";
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
export declare class Connection implements LinkEvents {
    private readonly base;
    private readonly access;
    private readonly clock;
    private readonly events;
    private slot;
    private current;
    /** The link that was welcomed last, open or not: belief rests on it. */
    private believed;
    private next;
    /** The next link only tries whether a WebSocket gets through: nothing is wrong with the current one. */
    private probing;
    private timer;
    private attempts;
    /** Connections that were refused or found nobody, until the first that opened: then the addresses are right. */
    private unopened;
    private working;
    /** Rises when everything in progress is to be forgotten. */
    private life;
    private lastTry;
    private wanted;
    private renewing;
    private told;
    private readonly ways;
    /** `base` is the absolute URL at which the server's handler is mounted, without a slash at its end. `forced`: no other way is tried. */
    constructor(base: string, access: Access, clock: Clock, events: ConnectionEvents, forced?: Way | null);
    /** Connects, and stays connected, until `leave`. */
    open(): void;
    /** Whether the server vouches for the session now. */
    sure(): boolean;
    online(): boolean;
    /** Seconds since the server was heard last; infinite without a link. */
    silence(): number;
    request(request: Request): Promise<OkFrame>;
    /** Belief that has lapsed comes back only on a new link: sees to it that there is one. */
    check(): void;
    /** Comes back at once, on a new link; the present one is not to be trusted if `drop`. */
    retry(drop: boolean): void;
    /** The page is going: says so, in a way that outlives it, and lets go of everything. */
    leave(): void;
    private connect;
    private later;
    private delay;
    fresh(): {
        nonce: string;
    };
    welcomed(link: Link, welcome: WelcomeFrame): void;
    pushed(link: Link, snapshot: SnapshotFrame): void;
    pinged(link: Link, ping: PingFrame): void;
    moving(link: Link, within: number): void;
    closed(link: Link, code: number, fault: EditlockError | null): void;
    /** Why a connection was refused is for the browser's eyes only: names what it may be. */
    private advise;
    private comeBack;
    private renewToken;
}
export declare function asError(error: unknown): EditlockError;
