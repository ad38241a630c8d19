import type { Clock, Instant } from "./clock.js";
import { type PipeEvents, type Way } from "./pipe.js";
import { type OkFrame, type PingFrame, type Request, type SnapshotFrame, type WelcomeFrame } from "./protocol.js";
import type { Credentials } from "./slot.js";
/** A request that the server refused, or that found no server. */
export declare class EditlockError extends Error {
    /** A code of the protocol, or `disconnected`: it may or may not have been done. */
    readonly code: string;
    readonly retryAfter: number;
    /** How things stand with the resource, where the refusal said so. */
    readonly frame: SnapshotFrame | null;
    readonly name = "EditlockError";
    constructor(
    /** A code of the protocol, or `disconnected`: it may or may not have been done. */
    code: string, message: string, retryAfter?: number, 
    /** How things stand with the resource, where the refusal said so. */
    frame?: SnapshotFrame | null);
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
export declare class Link implements PipeEvents {
    readonly way: Way;
    private readonly token;
    private readonly credentials;
    private readonly clock;
    private readonly events;
    welcome: WelcomeFrame | null;
    /** Whether there was ever a server at the other end. */
    reached: boolean;
    /** Whether it ended because nothing came. */
    silent: boolean;
    /** When anything arrived last. */
    heard: Instant;
    private readonly pipe;
    private readonly waiters;
    private belief;
    private helloSent;
    private fault;
    private lastId;
    private watchdog;
    private over;
    constructor(way: Way, base: string, token: string, credentials: Credentials, clock: Clock, events: LinkEvents);
    ready(): void;
    opened(): void;
    /** Whether what came over this connection still vouches for the session: a bare disconnect changes nothing. */
    sure(): boolean;
    /** Seconds for which it does so yet. */
    left(): number;
    request(request: Request): Promise<OkFrame>;
    /** Closes without a word to the events; open requests are rejected. */
    close(): void;
    private hello;
    private send;
    received(data: unknown): void;
    private ping;
    private dispatch;
    private armForPing;
    private arm;
    closed(code: number): void;
    private finish;
}
export declare function disconnected(): EditlockError;
