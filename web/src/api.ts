// The entry for scripts.
import type { Auth } from "./access.js";
import { Client } from "./client.js";
import { EditlockError } from "./link.js";
import { Lock, type OpenOptions } from "./handle.js";
import type { Way } from "./pipe.js";
import { translate, type Messages } from "./messages.js";
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

let defaults: Configuration = {};

const shared = Symbol.for("editlock clients 1");
/** Shared by all copies of this script in a document: a bundler's and a script tag's are one session. */
const clients = ((globalThis as { [shared]?: Map<string, Client> })[shared] ??= new Map<string, Client>());

/** The client of a server, made when it is asked for first; `auth` and `transport` count then. */
export function clientFor(configuration: Configuration = {}): Client {
  const base = new URL(configuration.url ?? defaults.url ?? "/editlock", document.baseURI).href.replace(/\/+$/, "");
  let client = clients.get(base);
  if (!client) {
    const forced = [configuration.transport, defaults.transport].find((way) => way && way !== "auto") as Way | undefined;
    client = new Client(base, configuration.auth ?? defaults.auth ?? `${base}/token`, forced ?? null);
    clients.set(base, client);
  }
  return client;
}

function open(resource: string, options: OpenOptions = {}): Lock {
  const client = clientFor();
  return new Lock(client.core(resource), client, options);
}

type Callback<L, T> = (lock: L) => T | Promise<T>;

/** Holds a resource while the callback runs, like `navigator.locks.request`, and releases it whatever comes of it. */
async function request<T>(resource: string, callback: Callback<Lock, T>): Promise<T>;
async function request<T>(
  resource: string, options: RequestOptions & { readonly ifAvailable?: false }, callback: Callback<Lock, T>,
): Promise<T>;
async function request<T>(resource: string, options: RequestOptions, callback: Callback<Lock | null, T>): Promise<T>;
async function request<T>(
  resource: string, first: RequestOptions | Callback<Lock, T>, second?: Callback<Lock, T> | Callback<Lock | null, T>,
): Promise<T> {
  const options = typeof first === "function" ? {} : first;
  const callback = (typeof first === "function" ? first : second) as Callback<Lock | null, T> | undefined;
  if (!callback) throw new TypeError("editlock.request needs a callback");
  const { ifAvailable = false, signal, refresh } = options;
  const lock = open(resource, { start: "manual", ...(refresh ? { refresh } : {}) });
  try {
    lock.acquire({ wait: !ifAvailable });
    try {
      await lock.held(signal ? { signal } : {});
    } catch (error) {
      if (ifAvailable && error instanceof EditlockError && error.code === "locked") return await callback(null);
      throw error;
    }
    return await callback(lock);
  } finally {
    lock.close();
  }
}

/** Calls `listener` with everything below `prefix` (`article/`) that is not free: now, and at every change. */
function watch(prefix: string, listener: EntriesListener, options: { signal?: AbortSignal } = {}): () => void {
  const client = clientFor();
  const stop = client.prefixes.watch(prefix, listener);
  client.use();
  options.signal?.addEventListener("abort", stop, { once: true });
  return stop;
}

/** What is held, and by whom, and what is waited for, below `prefix`: like `navigator.locks.query`. */
function query(prefix = ""): Promise<{ held: Entry[]; pending: Entry[] }> {
  const client = clientFor();
  return new Promise((resolve, reject) => {
    const stop = client.prefixes.watch(prefix, (entries) => {
      stop();
      const all = [...entries.values()];
      resolve({ held: all.filter((entry) => entry.state === "held"), pending: all.filter((entry) => entry.waiting > 0) });
    }, (error) => {
      stop();
      reject(error);
    });
    client.use();
  });
}

export const editlock = {
  /** Sets the server and where access tokens come from. Call it before the first use. */
  configure(configuration: Configuration): void {
    defaults = { ...defaults, ...configuration };
  },
  open,
  request,
  query,
  watch,
  /** Adds or changes the texts of a language. */
  translate: (language: string, messages: Partial<Messages>): void => translate(language, messages),
};
