import type { Auth } from "./access.js";
import { Client } from "./client.js";
import { Lock, type OpenOptions } from "./handle.js";
import type { Way } from "./pipe.js";
import { type Messages } from "./messages.js";
import type { EntriesListener, Entry } from "./prefixes.js";
export interface Configuration {
    /** Where the server is mounted; `/editlock` unless told otherwise. */
    readonly url?: string;
    /** Gives access tokens; `token` below the server's URL unless told otherwise. */
    readonly auth?: Auth;
    /**
     * How to connect. Unless told otherwise by WebSocket, or where a proxy lets none through by a `stream` of events, or where
     * a proxy keeps that back too, by long `poll`s. Naming one is for tests.
     */
    readonly transport?: "auto" | Way;
}
export interface RequestOptions extends Omit<OpenOptions, "start" | "save"> {
    /** Do not wait: the callback gets null when somebody else holds. */
    readonly ifAvailable?: boolean;
}
/** The client of a server, made when it is asked for first; `auth` and `transport` count then. */
export declare function clientFor(configuration?: Configuration): Client;
declare function open(resource: string, options?: OpenOptions): Lock;
type Callback<L, T> = (lock: L) => T | Promise<T>;
/** Holds a resource while the callback runs, like `navigator.locks.request`, and releases it whatever comes of it. */
declare function request<T>(resource: string, callback: Callback<Lock, T>): Promise<T>;
declare function request<T>(resource: string, options: RequestOptions & {
    readonly ifAvailable?: false;
}, callback: Callback<Lock, T>): Promise<T>;
declare function request<T>(resource: string, options: RequestOptions, callback: Callback<Lock | null, T>): Promise<T>;
/** Calls `listener` with everything below `prefix` (`article/`) that is not free: now, and at every change. */
declare function watch(prefix: string, listener: EntriesListener, options?: {
    signal?: AbortSignal;
}): () => void;
/** What is held, and by whom, and what is waited for, below `prefix`: like `navigator.locks.query`. */
declare function query(prefix?: string): Promise<{
    held: Entry[];
    pending: Entry[];
}>;
export declare const editlock: {
    /** Sets the server and where access tokens come from. Call it before the first use. */
    configure(configuration: Configuration): void;
    open: typeof open;
    request: typeof request;
    query: typeof query;
    watch: typeof watch;
    /** Adds or changes the texts of a language. */
    translate: (language: string, messages: Partial<Messages>) => void;
};
export {};
