import { type Clock } from "./clock.js";
import type { Connection } from "./connection.js";
import { EditlockError } from "./link.js";
import { type LockEvent } from "./lock.js";
import type { LockRequest } from "./protocol.js";
import { type LockSnapshot } from "./snapshot.js";
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
export declare class Core {
    readonly resource: string;
    private readonly connection;
    private readonly clock;
    private readonly check;
    private state;
    private shown;
    private readonly listeners;
    /** Conditions that somebody waits for; looked at after every event, since tokens are in no picture. */
    private readonly awaited;
    readonly refreshes: Set<Refresh>;
    /** The mistakes that the console was told of, by code, and by code and message. */
    private readonly warned;
    /** How many parts of the page use it. */
    uses: number;
    private tokenAt;
    private holderSince;
    private mineSince;
    /** Tells the answer to the request on its way from the answers to older ones. */
    private turn;
    private pausedUntil;
    private pause;
    private loader;
    constructor(resource: string, connection: Connection, clock: Clock, check: () => void);
    get snapshot(): LockSnapshot;
    /** Whether nothing of this lock is left to do or to show. */
    get done(): boolean;
    get settled(): boolean;
    get holding(): boolean;
    get waits(): boolean;
    subscribe(listener: (snapshot: LockSnapshot) => void): () => void;
    /** Resolves with what the condition gives, as soon as that is not null; rejects with what it throws. */
    until<T>(condition: (snapshot: LockSnapshot) => T | null, signal?: AbortSignal): Promise<T>;
    /** The lock token, if it is good for a moment yet and the page may be sure of the lock. */
    token(): string | null;
    dispatch(event: LockEvent): void;
    /** Does what is due: called after every event, and every second for what had to wait. */
    act(): void;
    /** Tells the console of a mistake once. Who may not ask for the lock is often refused to look on as well: that is nothing new. */
    private warn;
    private load;
    private publish;
    /** Shown times are counted back by our own clock from a duration of the server's: clocks may differ. */
    private holderAt;
    private mineAt;
    /** Sends a request that is no part of getting or giving up the lock. */
    send(request: LockRequest): Promise<void>;
    /** The picture as of now: belief may have run out since the last event. */
    current(): LockSnapshot;
    /** Refuses to go on without the lock. */
    static lostError(snapshot: LockSnapshot): EditlockError;
}
