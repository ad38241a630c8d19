import { type LockError, type LockState, type Lost } from "./lock.js";
/**
 * Where this page stands with a resource:
 * `connecting` nothing is known yet; `watching` looks on; `waiting` is in line; `refreshing` has the lock and
 * loads fresh content; `held` may edit; `unsure` held it and cannot be certain now (typing goes on, saving
 * waits); `lost` held it and does not any more.
 */
export type LockStatus = "connecting" | "watching" | "waiting" | "refreshing" | "held" | "unsure" | "lost";
export interface Holder {
    readonly id: string;
    readonly name: string;
    /** Milliseconds by this machine's clock, good for `new Date(since)`. */
    readonly since: number;
    /** This session. */
    readonly you: boolean;
    /** Another tab, or program, of the same user. */
    readonly yours: boolean;
}
/** An immutable picture of a lock; a new object exactly when something changed. */
export interface LockSnapshot {
    readonly resource: string;
    readonly state: LockStatus;
    /** Whether what is typed now may stay: `held`, or `unsure` while the page was there all the time. */
    readonly editable: boolean;
    /** Whether the server is within reach. */
    readonly online: boolean;
    readonly holder: Holder | null;
    /** Place in the line, from 1; null when not in it. */
    readonly position: number | null;
    /** How many wait. */
    readonly waiting: number;
    /** When this session got its hold or its place, in milliseconds by this machine's clock. */
    readonly since: number | null;
    /** Last version of the content that was named. */
    readonly version: string | null;
    readonly fence: number | null;
    readonly lost: Lost | null;
    readonly error: LockError | null;
}
/** Of no resource. */
export declare const idle: LockSnapshot;
export declare function status(s: LockState): LockStatus;
/** With start="edit" typing is free until somebody is known to hold; `trouble` is what keeps the page from connecting. */
export declare function freeToType({ state, holder, error }: LockSnapshot, eager: boolean, trouble: string | undefined): boolean;
/**
 * Whether the turn was over by time alone and nobody wants it: then it is taken back without a question. Where nobody
 * knows why it was over, somebody may have decided it.
 */
export declare function mayReclaim({ lost, holder }: Pick<LockSnapshot, "lost" | "holder">): boolean;
/** `heldSince` and `mineSince` are moments by this machine's clock, which the server's durations give. */
export declare function picture(s: LockState, heldSince: number, mineSince: number): LockSnapshot;
/** Whether two pictures say the same. */
export declare function same(a: LockSnapshot, b: LockSnapshot): boolean;
