import type { Way } from "./pipe.js";
type Kind = Pick<Storage, "getItem" | "setItem" | "removeItem">;
export declare class Ways {
    private readonly key;
    private readonly forced;
    private readonly now;
    private readonly storage;
    /** What the documents of this tab have found out. */
    private kept;
    /** WebSockets that failed in a row. */
    private failed;
    /** A WebSocket worked in this document. */
    private proven;
    constructor(key: string, forced: Way | null, now?: () => number, storage?: () => Kind);
    /** The way to take, on an attempt that does not follow on the failure of another way. */
    next(): Way;
    /** Whether it is time to see if a WebSocket gets through, beside a connection that works without. */
    due(): boolean;
    /** A connection was welcomed. */
    works(way: Way): void;
    /** A WebSocket was tried once more, and did not get through, while another way works. */
    closed(): void;
    /**
     * A connection ended before any server was heard on it: by a refusal, or in silence. Returns another way that is worth
     * trying at once. If that fails too the server is down, and nothing is concluded.
     */
    fails(way: Way, silence: boolean): Way | null;
    private keep;
    private read;
}
export {};
