export declare const subprotocol = "editlock.v1";
/** Why a holding ended. */
export type Reason = "released" | "left" | "handed_over" | "idle" | "expired" | "unconfirmed" | "taken_over" | "forced" | "revoked" | "logged_out";
export interface HolderFrame {
    readonly user: string;
    readonly name: string;
    readonly since: string;
    readonly held_for: number;
    readonly you: boolean;
    readonly yours: boolean;
}
export interface MineFrame {
    readonly state: "waiting" | "absent" | "granted" | "held" | "lapsed";
    readonly position: number;
    readonly since: string;
    readonly fence: number;
    readonly token: string;
    readonly expires_in: number;
    readonly confirm_within: number;
}
export interface EndedFrame {
    readonly fence: number;
    /** Null for one that this client does not know. */
    readonly reason: Reason | null;
    readonly at: string;
}
export interface SnapshotFrame {
    readonly resource: string;
    readonly revision: number;
    readonly state: "free" | "held" | "lapsed";
    readonly holder: HolderFrame | null;
    readonly waiting: number;
    readonly version: string | null;
    readonly mine: MineFrame | null;
    readonly ended: EndedFrame | null;
}
export interface WelcomeFrame {
    readonly type: "welcome";
    readonly id: number;
    readonly session: string;
    readonly epoch: number;
    readonly resume: string;
    readonly resumed: boolean;
    readonly user: {
        readonly id: string;
        readonly name: string;
    };
    readonly ttl: number;
    readonly margin: number;
    readonly heartbeat: number;
    readonly pong_timeout: number;
    readonly rights: readonly string[];
    readonly token_expires_in: number;
    readonly snapshots: readonly SnapshotFrame[];
}
export interface FreshToken {
    readonly resource: string;
    readonly fence: number;
    readonly token: string;
    readonly expires_in: number;
}
export interface OkFrame {
    readonly type: "ok";
    readonly id: number;
    readonly snapshot: SnapshotFrame | null;
    readonly snapshots: readonly SnapshotFrame[];
    readonly more: boolean;
    readonly token_expires_in: number;
}
export interface ErrorFrame {
    readonly type: "error";
    readonly id: number;
    readonly code: string;
    readonly message: string;
    readonly retry_after: number;
    readonly snapshot: SnapshotFrame | null;
}
export interface PingFrame {
    readonly type: "ping";
    readonly ping: number;
    readonly ack: number;
    readonly locks: readonly FreshToken[];
}
export type ServerFrame = WelcomeFrame | OkFrame | ErrorFrame | PingFrame | {
    readonly type: "snapshot";
    readonly snapshot: SnapshotFrame;
} | {
    readonly type: "move";
    readonly within: number;
};
/** What a client asks about a resource or a prefix; the connection adds the id. */
export type LockRequest = {
    readonly type: "acquire";
    readonly resource: string;
    readonly wait?: boolean;
    readonly move?: boolean;
} | {
    readonly type: "confirm";
    readonly resource: string;
    readonly fence: number;
} | {
    readonly type: "release";
    readonly resource: string;
    readonly fence: number;
    readonly version?: string;
} | {
    readonly type: "cancel";
    readonly resource: string;
} | {
    readonly type: "watch";
    readonly resource: string;
    readonly fence?: number;
} | {
    readonly type: "unwatch";
    readonly resource: string;
} | {
    readonly type: "changed";
    readonly resource: string;
    readonly fence: number;
    readonly version: string;
};
export type Request = LockRequest | {
    readonly type: "watch" | "unwatch";
    readonly prefix: string;
} | {
    readonly type: "hello";
    readonly token: string;
    readonly nonce: string;
    readonly resume?: string;
} | {
    readonly type: "token";
    readonly token: string;
} | {
    readonly type: "bye";
};
export declare function parseSnapshot(value: unknown): SnapshotFrame | null;
/** Reads a frame of the server. Null for one that this version does not know: it is to be ignored. */
export declare function parseFrame(data: string): ServerFrame | null;
/**
 * What a close code asks of the client: come back `now` or `later`, after it has got a fresh access token
 * (`refresh`), or `never` with this session.
 */
export type Comeback = "now" | "later" | "refresh" | "never";
/** Reads a close code by its range, as codes of a later version are to be. */
export declare function comeback(code: number): Comeback;
/** Whether only the session is over, so that the page may come back with a new one; otherwise the client is broken. */
export declare function sessionOver(code: number): boolean;
/**
 * Seconds before an attempt to come back, spread by `chance` (0 to 1), so that those cut off together do not come back together. Who holds leaves half
 * of the belief that is `left` for the first attempt itself: a connection that fell silent has cost most of it already.
 */
export declare function delay(attempt: number, holding: boolean, left: number, chance: number): number;
