import type { LockRequest, Reason, SnapshotFrame } from "./protocol.js";
export interface LockError {
    /** A code of the protocol, or `refresh` when fresh content could not be loaded. */
    readonly code: string;
    readonly message: string;
}
export interface Lost {
    readonly fence: number;
    /** Null when the server could not say. */
    readonly reason: Reason | null;
    readonly at: string | null;
}
export interface LockState {
    readonly resource: string;
    /** The page wants to edit; false: it only looks on. */
    readonly wants: boolean;
    /** False for an attempt that shall not queue. */
    readonly queue: boolean;
    /** The next acquire moves the lock here from another session of the same user. */
    readonly move: boolean;
    readonly view: SnapshotFrame | null;
    /** Welcomed on the connection that requests go to. */
    readonly online: boolean;
    /** Belief stands: the server cannot have given the lock to another by expiry. */
    readonly sure: boolean;
    /** The page came back from somewhere (hidden, frozen, asleep): read-only until the server was asked. */
    readonly doubt: boolean;
    /** The server is to be asked how things stand before anything else. */
    readonly ask: boolean;
    /** The request on its way; one at a time. */
    readonly flight: LockRequest["type"] | null;
    /** Fence of the present hold; 0 without one. */
    readonly fence: number;
    /** Fence whose content this page shows: editing needs both to be the same. */
    readonly fresh: number;
    /** Fence with which fresh content was loaded in this tab before this page. */
    readonly known: number;
    /** Fence for which fresh content is being loaded. */
    readonly loading: number;
    readonly token: string;
    readonly tokenFor: number;
    readonly lost: Lost | null;
    readonly error: LockError | null;
    /** What keeps the page from its session for good, as far as it can tell. */
    readonly trouble: LockError | null;
    /** Version to name at the release. */
    readonly version: string | null;
    /** Nothing in this document uses the lock any more. */
    readonly closed: boolean;
    readonly watched: boolean;
}
export type LockEvent = {
    readonly type: "acquire";
    readonly queue: boolean;
    readonly move: boolean;
} | {
    readonly type: "release";
    readonly version: string | null;
} | {
    readonly type: "close";
} | {
    readonly type: "reopen";
} | {
    readonly type: "online";
    readonly resumed: boolean;
    readonly snapshot: SnapshotFrame | null;
} | {
    readonly type: "offline";
} | {
    readonly type: "trouble";
    readonly trouble: LockError | null;
} | {
    readonly type: "sure";
    readonly sure: boolean;
} | {
    readonly type: "doubt";
} | {
    readonly type: "sent";
    readonly request: LockRequest["type"];
} | {
    readonly type: "answer";
    readonly request: LockRequest["type"];
    readonly snapshot: SnapshotFrame | null;
} | {
    readonly type: "refused";
    readonly request: LockRequest["type"];
    readonly error: LockError;
    readonly snapshot: SnapshotFrame | null;
} | {
    readonly type: "unanswered";
} | {
    readonly type: "push";
    readonly snapshot: SnapshotFrame;
} | {
    readonly type: "token";
    readonly fence: number;
    readonly token: string;
    readonly expires: number;
}
/** The page shows something else than it did: it is not to be edited before a load. */
 | {
    readonly type: "reload";
} | {
    readonly type: "loading";
    readonly fence: number;
} | {
    readonly type: "loaded";
    readonly fence: number;
} | {
    readonly type: "unloaded";
    readonly fence: number;
    readonly error: LockError;
};
/** The state of a page that has just begun. known is the fence with which its tab had loaded the content before; 0: it had not. */
export declare function initial(resource: string, known?: number): LockState;
export declare function reduce(s: LockState, e: LockEvent): LockState;
export declare function isPassing(code: string): boolean;
/** The request that brings the server's view nearer to what the page wants; null when there is none. */
export declare function plan(s: LockState): LockRequest | null;
/** The lock is being given up, and may be somebody else's by now. */
export declare function givingUp(s: LockState): boolean;
/** The fence whose fresh content is to be loaded now; 0 when there is nothing to load. */
export declare function toLoad(s: LockState): number;
/** Whether everything that a page gave up has been given up. */
export declare function settled(s: LockState): boolean;
