// One lock as this page sees it: what is known, what is wanted, and what follows from both. Pure: no
// clock, no socket, no DOM. The rules about who may hold are the server's; this only asks and believes.
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

export type LockEvent =
  | { readonly type: "acquire"; readonly queue: boolean; readonly move: boolean }
  | { readonly type: "release"; readonly version: string | null }
  | { readonly type: "close" }
  | { readonly type: "reopen" }
  | { readonly type: "online"; readonly resumed: boolean; readonly snapshot: SnapshotFrame | null }
  | { readonly type: "offline" }
  | { readonly type: "trouble"; readonly trouble: LockError | null }
  | { readonly type: "sure"; readonly sure: boolean }
  | { readonly type: "doubt" }
  | { readonly type: "sent"; readonly request: LockRequest["type"] }
  | { readonly type: "answer"; readonly request: LockRequest["type"]; readonly snapshot: SnapshotFrame | null }
  | { readonly type: "refused"; readonly request: LockRequest["type"]; readonly error: LockError; readonly snapshot: SnapshotFrame | null }
  | { readonly type: "unanswered" }
  | { readonly type: "push"; readonly snapshot: SnapshotFrame }
  | { readonly type: "token"; readonly fence: number; readonly token: string; readonly expires: number }
  /** The page shows something else than it did: it is not to be edited before a load. */
  | { readonly type: "reload" }
  | { readonly type: "loading"; readonly fence: number }
  | { readonly type: "loaded"; readonly fence: number }
  | { readonly type: "unloaded"; readonly fence: number; readonly error: LockError };

/** The state of a page that has just begun. known is the fence with which its tab had loaded the content before; 0: it had not. */
export function initial(resource: string, known = 0): LockState {
  return {
    resource, known, wants: false, queue: true, move: false, view: null, online: false, sure: false, doubt: false, ask: true,
    flight: null, fence: 0, fresh: 0, loading: 0, token: "", tokenFor: 0, lost: null, error: null, trouble: null, version: null,
    closed: false, watched: false,
  };
}

export function reduce(s: LockState, e: LockEvent): LockState {
  switch (e.type) {
    case "acquire":
      return { ...s, wants: true, queue: e.queue, move: s.move || e.move, lost: null, error: null, version: null };
    case "release":
      return { ...s, wants: false, move: false, lost: null, version: e.version ?? s.version };
    case "close":
      return { ...s, wants: false, move: false, closed: true };
    case "reopen":
      return { ...s, closed: false };
    case "online": {
      const up = { ...s, online: true, flight: null, watched: false };
      // What a welcome does not list, this session neither holds nor waits for: ask, naming the fence.
      return e.snapshot ? { ...take(up, e.snapshot), doubt: false, ask: false, watched: true } : { ...up, ask: true };
    }
    case "offline":
      return { ...s, online: false, flight: null };
    case "trouble":
      return { ...s, trouble: e.trouble };
    case "sure":
      return s.sure === e.sure ? s : { ...s, sure: e.sure };
    case "doubt":
      return s.fence ? { ...s, doubt: true, ask: true } : s;
    case "sent": {
      // From here on the lock may be somebody else's: asked for again meanwhile, it counts only after a new load.
      const fresh = e.request === "release" || e.request === "cancel" ? 0 : s.fresh;
      return { ...s, flight: e.request, fresh, move: e.request === "acquire" ? false : s.move };
    }
    case "answer": {
      const asked = e.request === "watch" || (e.request === "acquire" && s.fence === 0);
      const watched = asked || e.request === "acquire" ? true : e.request === "unwatch" ? false : s.watched;
      // What went wrong for good stays said until the page asks again.
      const error = s.error && isPassing(s.error.code) ? null : s.error;
      const next = { ...s, flight: null, error, watched, ...(asked ? { doubt: false, ask: false } : {}) };
      return e.snapshot && e.snapshot.resource ? take(next, e.snapshot) : next;
    }
    case "refused":
      return refused({ ...s, flight: null }, e.request, e.error, e.snapshot);
    case "unanswered":
      return { ...s, flight: null };
    case "push":
      return s.view && e.snapshot.revision < s.view.revision ? s : take(s, e.snapshot);
    case "token":
      return e.fence === s.fence ? { ...s, token: e.token, tokenFor: e.expires } : s;
    case "reload":
      return s.fence ? { ...s, fresh: 0 } : s;
    case "loading":
      return { ...s, loading: e.fence };
    case "loaded":
      return e.fence === s.fence ? { ...s, fresh: e.fence, loading: 0 } : s;
    case "unloaded":
      // Content that cannot be shown fresh must not be edited: give the lock back, and say so.
      return e.fence === s.fence ? { ...s, loading: 0, wants: false, error: e.error } : s;
  }
}

/** Ends that somebody decided, so that asking again by oneself would be rude or useless. */
const decided: readonly (Reason | null)[] = ["handed_over", "idle", "taken_over", "forced", "revoked", "logged_out"];

function take(s: LockState, view: SnapshotFrame): LockState {
  const mine = view.mine;
  const first = s.view === null;
  const next = { ...s, view };
  if (mine && (mine.state === "held" || mine.state === "granted" || mine.state === "lapsed")) {
    // A hold from before this page was loaded, or from before it was asked for here: it goes on, and if its content was loaded
    // then, it is not refreshed, so that a form shown again with errors keeps what was typed.
    const adopted = first && mine.state !== "granted" && mine.fence === s.known;
    const same = mine.fence === s.fence;
    return {
      ...next,
      wants: s.wants || (first && !s.closed),
      fence: mine.fence,
      fresh: adopted ? mine.fence : s.fresh,
      loading: same ? s.loading : 0,
      token: mine.state === "held" && mine.token ? mine.token : same ? s.token : "",
      tokenFor: mine.state === "held" && mine.token ? mine.expires_in : same ? s.tokenFor : 0,
      lost: s.lost?.fence === mine.fence ? null : s.lost,
    };
  }
  if (mine && first && !s.closed) return { ...next, wants: true };
  if (s.fence === 0) return next;
  // A hold has ended. One that was wanted and in use is lost; one that never got as far just asks again.
  const ended = view.ended?.fence === s.fence ? view.ended : null;
  const reason = ended?.reason ?? null;
  const inUse = s.fresh === s.fence;
  const gone = { ...next, fence: 0, fresh: 0, loading: 0, token: "", tokenFor: 0, doubt: false };
  if (!s.wants) return gone;
  if (!inUse && (!ended || (reason !== null && !decided.includes(reason)))) return gone;
  return { ...gone, wants: false, lost: { fence: s.fence, reason, at: ended?.at ?? null } };
}

/** Codes after which the same request may well succeed. */
const passing: readonly string[] = [
  "unavailable", "unknown_outcome", "rate_limited", "queue_full", "shutting_down", "too_many_watches",
  "session_over", "replaced",
];

export function isPassing(code: string): boolean {
  return passing.includes(code);
}

function refused(s: LockState, request: LockRequest["type"], error: LockError, snapshot: SnapshotFrame | null): LockState {
  const next = snapshot ? take(s, snapshot) : s;
  if (error.code === "stale_fence") return request === "confirm" ? { ...next, ask: true } : next;
  if (isPassing(error.code)) return { ...next, error };
  // Asking again would be answered the same: stop, and let the page decide.
  if (request === "watch") return { ...next, ask: false, doubt: false, wants: false, watched: true, error };
  return { ...next, wants: false, error };
}

/** The request that brings the server's view nearer to what the page wants; null when there is none. */
export function plan(s: LockState): LockRequest | null {
  if (!s.online || s.flight) return null;
  const resource = s.resource;
  const mine = s.view?.mine ?? null;
  // An acquire tells as much as a watch does, save how an earlier hold ended.
  const onlyAsk = s.ask && !(s.wants && s.fence === 0);
  if (onlyAsk && !s.closed) return s.fence ? { type: "watch", resource, fence: s.fence } : { type: "watch", resource };
  if (!s.wants) {
    switch (mine?.state) {
      case "granted":
      case "waiting":
      case "absent":
        return { type: "cancel", resource };
      case "held":
      case "lapsed":
        return { type: "release", resource, fence: mine.fence, ...(s.version === null ? {} : { version: s.version }) };
      default:
        if (s.closed) return s.watched ? { type: "unwatch", resource } : null;
        return s.watched ? null : { type: "watch", resource };
    }
  }
  if (s.move) return { type: "acquire", resource, move: true };
  switch (mine?.state) {
    case undefined:
    case "absent":
    case "lapsed":
      return s.queue ? { type: "acquire", resource } : { type: "acquire", resource, wait: false };
    case "granted":
      return { type: "confirm", resource, fence: mine?.fence ?? 0 };
    default:
      return null;
  }
}

/** The lock is being given up, and may be somebody else's by now. */
export function givingUp(s: LockState): boolean {
  return s.flight === "release" || s.flight === "cancel";
}

/** The fence whose fresh content is to be loaded now; 0 when there is nothing to load. */
export function toLoad(s: LockState): number {
  const confirmed = s.wants && !givingUp(s) && s.view?.mine?.state === "held";
  return confirmed && s.token !== "" && s.fresh !== s.fence && s.loading !== s.fence ? s.fence : 0;
}

/** Whether everything that a page gave up has been given up. */
export function settled(s: LockState): boolean {
  return !s.flight && (s.view?.mine ?? null) === null;
}
