import type { Client } from "./client.js";
import { Core, type Refresh } from "./core.js";
import type { LockSnapshot } from "./snapshot.js";
export interface OpenOptions {
    /** `open` (the default) acquires at once; `edit` and `manual` only look on until `acquire()` is called. */
    readonly start?: "open" | "edit" | "manual";
    /** Loads and shows fresh content before `held` is reported; when it rejects, the lock is released. */
    readonly refresh?: Refresh;
    /** Keeps what was typed: called when the page is hidden while it holds the lock. */
    readonly save?: (lock: Lock) => unknown;
    /** Closes the handle when it is aborted. */
    readonly signal?: AbortSignal;
}
export interface AcquireOptions {
    /** False: do not queue when somebody else holds. */
    readonly wait?: boolean;
    /** Takes the lock over from another tab of the same user. */
    readonly move?: boolean;
}
/** One use of the lock of a resource. All uses in a document share one lock; the last to close releases it. */
export declare class Lock {
    private readonly core;
    private readonly client;
    private readonly offs;
    private closed;
    constructor(core: Core, client: Client, options?: OpenOptions);
    get resource(): string;
    /** The present picture; the same object until something changes. */
    get snapshot(): LockSnapshot;
    /** Calls `listener` at every change until the function it returns is called. */
    subscribe(listener: (snapshot: LockSnapshot) => void): () => void;
    /** Asks for the lock, or for a place in the line. What comes of it is in the snapshots. */
    acquire(options?: AcquireOptions): void;
    /** Resolves when this page holds the lock and shows fresh content; rejects when it cannot come to that. */
    held(options?: {
        signal?: AbortSignal;
    }): Promise<void>;
    /** Leaves the line, or gives a lock up: the page only looks on from now on. */
    cancel(): void;
    /**
     * Gives the lock up. `version` names the content that was saved last, so that the next one does not see less.
     * Resolves when the server has it; an unreachable server gets it when it is back.
     */
    release(options?: {
        version?: string | number;
    }): Promise<void>;
    /** Tells the others that content was saved as `version`, and goes on editing. */
    changed(version: string | number): Promise<void>;
    /**
     * The headers of a save: `Lock-Token`. Waits while it is not certain that the lock is still held, and rejects
     * when it is not, so that nothing is saved over somebody else's work.
     */
    headers(options?: {
        signal?: AbortSignal;
    }): Promise<{
        "Lock-Token": string;
    }>;
    /** The lock token for this very moment, or null while it is not certain that the lock is held. */
    token(): string | null;
    /** Ends this use. A use of the same resource that begins within the same task takes over without losing anything. */
    close(): void;
}
