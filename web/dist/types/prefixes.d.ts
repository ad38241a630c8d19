import { type Connection } from "./connection.js";
import type { SnapshotFrame } from "./protocol.js";
import type { Holder } from "./snapshot.js";
/** One resource as a list shows it. */
export interface Entry {
    readonly resource: string;
    readonly state: "free" | "held" | "lapsed";
    readonly holder: Holder | null;
    readonly waiting: number;
    readonly version: string | null;
}
export type EntriesListener = (entries: ReadonlyMap<string, Entry>) => void;
export declare class Prefixes {
    private readonly connection;
    private readonly watched;
    constructor(connection: Connection);
    get size(): number;
    /** Calls the listener with all that is not free below the prefix, now and at every change. */
    watch(prefix: string, listener: EntriesListener, failed?: (error: unknown) => void): () => void;
    online(): void;
    pushed(frame: SnapshotFrame): void;
    private ask;
    private tell;
}
