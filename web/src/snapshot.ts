// What a page is shown of a lock. Pure.
import { isPassing, type LockError, type LockState, type Lost } from "./lock.js";

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
export const idle: LockSnapshot = Object.freeze({
  resource: "", state: "connecting", editable: false, online: false, holder: null, position: null, waiting: 0,
  since: null, version: null, fence: null, lost: null, error: null,
});

export function status(s: LockState): LockStatus {
  if (s.lost) return "lost";
  const mine = s.view?.mine ?? null;
  if (s.view === null) return s.error && !isPassing(s.error.code) ? "watching" : "connecting";
  const inUse = s.fence !== 0 && s.fresh === s.fence;
  switch (mine?.state) {
    case "held":
      if (!s.wants) return "watching";
      if (!inUse) return "refreshing";
      return s.sure && !s.doubt ? "held" : "unsure";
    case "granted":
    case "lapsed":
      if (!s.wants) return "watching";
      return inUse ? "unsure" : "refreshing";
    case "waiting":
    case "absent":
      return s.wants ? "waiting" : "watching";
    default:
      return s.wants && s.view.state === "free" && !s.error ? "connecting" : "watching";
  }
}

/** With start="edit" typing is free until somebody is known to hold; `trouble` is what keeps the page from connecting. */
export function freeToType({ state, holder, error }: LockSnapshot, eager: boolean, trouble: string | undefined): boolean {
  if (state === "watching") return holder === null && (!error || error.code === trouble);
  return state === "connecting" || (state === "refreshing" && eager);
}

/**
 * Whether the turn was over by time alone and nobody wants it: then it is taken back without a question. Where nobody
 * knows why it was over, somebody may have decided it.
 */
export function mayReclaim({ lost, holder }: Pick<LockSnapshot, "lost" | "holder">): boolean {
  return (lost?.reason === "expired" || lost?.reason === "left") && holder === null;
}

/** `heldSince` and `mineSince` are moments by this machine's clock, which the server's durations give. */
export function picture(s: LockState, heldSince: number, mineSince: number): LockSnapshot {
  const state = status(s);
  const frame = s.view?.holder ?? null;
  const mine = s.view?.mine ?? null;
  const holder = frame && Object.freeze({
    id: frame.user, name: frame.name, since: heldSince, you: frame.you, yours: frame.yours,
  });
  return Object.freeze({
    resource: s.resource,
    state,
    editable: state === "held" || (state === "unsure" && !s.doubt),
    online: s.online,
    holder,
    position: state === "waiting" && mine?.state === "waiting" ? mine.position : null,
    waiting: s.view?.waiting ?? 0,
    since: mine ? mineSince : null,
    version: s.view?.version ?? null,
    fence: s.fence || null,
    lost: s.lost,
    error: s.error ?? s.trouble,
  });
}

/** Whether two pictures say the same. */
export function same(a: LockSnapshot, b: LockSnapshot): boolean {
  return a.state === b.state && a.editable === b.editable && a.online === b.online && a.position === b.position
    && a.waiting === b.waiting && a.since === b.since && a.version === b.version && a.fence === b.fence
    && a.lost === b.lost && a.error?.code === b.error?.code && a.error?.message === b.error?.message
    && a.holder?.id === b.holder?.id && a.holder?.name === b.holder?.name && a.holder?.since === b.holder?.since
    && a.holder?.you === b.holder?.you && a.holder?.yours === b.holder?.yours;
}
