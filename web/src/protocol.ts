// The messages of protocol version 1 (docs/spec.md). Values that come in are checked here, once.

export const subprotocol = "editlock.v1";

/** Why a holding ended. */
export type Reason =
  | "released" | "left" | "handed_over" | "idle" | "expired" | "unconfirmed"
  | "taken_over" | "forced" | "revoked" | "logged_out";

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
  readonly user: { readonly id: string; readonly name: string };
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

export type ServerFrame =
  | WelcomeFrame | OkFrame | ErrorFrame | PingFrame
  | { readonly type: "snapshot"; readonly snapshot: SnapshotFrame }
  | { readonly type: "move"; readonly within: number };

/** What a client asks about a resource or a prefix; the connection adds the id. */
export type LockRequest =
  | { readonly type: "acquire"; readonly resource: string; readonly wait?: boolean; readonly move?: boolean }
  | { readonly type: "confirm"; readonly resource: string; readonly fence: number }
  | { readonly type: "release"; readonly resource: string; readonly fence: number; readonly version?: string }
  | { readonly type: "cancel"; readonly resource: string }
  | { readonly type: "watch"; readonly resource: string; readonly fence?: number }
  | { readonly type: "unwatch"; readonly resource: string }
  | { readonly type: "changed"; readonly resource: string; readonly fence: number; readonly version: string };

export type Request =
  | LockRequest
  | { readonly type: "watch" | "unwatch"; readonly prefix: string }
  | { readonly type: "hello"; readonly token: string; readonly nonce: string; readonly resume?: string }
  | { readonly type: "token"; readonly token: string }
  | { readonly type: "bye" };

type Fields = Readonly<Record<string, unknown>>;

function isFields(value: unknown): value is Fields {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

const text = (value: unknown): string => (typeof value === "string" ? value : "");
const number = (value: unknown): number => (typeof value === "number" && Number.isFinite(value) ? value : 0);
const list = (value: unknown): readonly unknown[] => (Array.isArray(value) ? value : []);

function oneOf<T extends string>(value: unknown, allowed: readonly T[]): T | null {
  return allowed.find((candidate) => candidate === value) ?? null;
}

const reasons: readonly Reason[] = [
  "released", "left", "handed_over", "idle", "expired", "unconfirmed", "taken_over", "forced", "revoked", "logged_out",
];

function parseHolder(value: unknown): HolderFrame | null {
  if (!isFields(value)) return null;
  return {
    user: text(value["user"]), name: text(value["name"]), since: text(value["since"]),
    held_for: number(value["held_for"]), you: value["you"] === true, yours: value["yours"] === true,
  };
}

function parseMine(value: unknown): MineFrame | null {
  if (!isFields(value)) return null;
  const state = oneOf(value["state"], ["waiting", "absent", "granted", "held", "lapsed"]);
  if (!state) return null;
  return {
    state, position: number(value["position"]), since: text(value["since"]), fence: number(value["fence"]),
    token: text(value["token"]), expires_in: number(value["expires_in"]), confirm_within: number(value["confirm_within"]),
  };
}

function parseEnded(value: unknown): EndedFrame | null {
  if (!isFields(value)) return null;
  return {
    fence: number(value["fence"]), reason: oneOf(value["reason"], reasons), at: text(value["at"]),
  };
}

export function parseSnapshot(value: unknown): SnapshotFrame | null {
  if (!isFields(value) || !text(value["resource"])) return null;
  const state = oneOf(value["state"], ["free", "held", "lapsed"]);
  if (!state) return null;
  return {
    resource: text(value["resource"]), revision: number(value["revision"]), state,
    holder: parseHolder(value["holder"]), waiting: number(value["waiting"]),
    version: typeof value["version"] === "string" ? value["version"] : null,
    mine: parseMine(value["mine"]), ended: parseEnded(value["ended"]),
  };
}

function parseSnapshots(value: unknown): SnapshotFrame[] {
  return list(value).map(parseSnapshot).filter((snapshot) => snapshot !== null);
}

function parseWelcome(f: Fields): WelcomeFrame | null {
  const ttl = number(f["ttl"]);
  if (!text(f["resume"]) || ttl <= 0 || number(f["heartbeat"]) <= 0) return null;
  const user = isFields(f["user"]) ? f["user"] : {};
  return {
    type: "welcome", id: number(f["id"]), session: text(f["session"]), epoch: number(f["epoch"]),
    resume: text(f["resume"]), resumed: f["resumed"] === true,
    user: { id: text(user["id"]), name: text(user["name"]) },
    ttl, margin: number(f["margin"]), heartbeat: number(f["heartbeat"]), pong_timeout: number(f["pong_timeout"]),
    rights: list(f["rights"]).map(text), token_expires_in: number(f["token_expires_in"]),
    snapshots: parseSnapshots(f["snapshots"]),
  };
}

function parseFreshToken(value: unknown): FreshToken | null {
  if (!isFields(value) || !text(value["token"])) return null;
  return {
    resource: text(value["resource"]), fence: number(value["fence"]), token: text(value["token"]),
    expires_in: number(value["expires_in"]),
  };
}

/** Reads a frame of the server. Null for one that this version does not know: it is to be ignored. */
export function parseFrame(data: string): ServerFrame | null {
  let f: unknown;
  try {
    f = JSON.parse(data);
  } catch {
    return null;
  }
  if (!isFields(f)) return null;
  const id = number(f["id"]);
  switch (f["type"]) {
    case "welcome":
      return parseWelcome(f);
    case "ok":
      return {
        type: "ok", id, snapshot: parseSnapshot(f["snapshot"]), snapshots: parseSnapshots(f["snapshots"]),
        more: f["more"] === true, token_expires_in: number(f["token_expires_in"]),
      };
    case "error":
      return {
        type: "error", id, code: text(f["code"]), message: text(f["message"]),
        retry_after: number(f["retry_after"]), snapshot: parseSnapshot(f["snapshot"]),
      };
    case "ping":
      return {
        type: "ping", ping: number(f["ping"]), ack: number(f["ack"]),
        locks: list(f["locks"]).map(parseFreshToken).filter((lock) => lock !== null),
      };
    case "snapshot": {
      const snapshot = parseSnapshot(f);
      return snapshot && { type: "snapshot", snapshot };
    }
    case "move":
      return { type: "move", within: number(f["within"]) };
    default:
      return null;
  }
}

/**
 * What a close code asks of the client: come back `now` or `later`, after it has got a fresh access token
 * (`refresh`), or `never` with this session.
 */
export type Comeback = "now" | "later" | "refresh" | "never";

/** Reads a close code by its range, as codes of a later version are to be. */
export function comeback(code: number): Comeback {
  if (code >= 4300 && code <= 4399) return "never";
  if (code >= 4200 && code <= 4299) return "refresh";
  if (code >= 4100 && code <= 4199) return "later";
  if (code === 1002 || code === 1003 || code === 1007 || code === 1009) return "later";
  return "now";
}

/** Whether only the session is over, so that the page may come back with a new one; otherwise the client is broken. */
export function sessionOver(code: number): boolean {
  return code === 4302 || code === 4303 || code === 4304;
}

/**
 * Seconds before an attempt to come back, spread by `chance` (0 to 1), so that those cut off together do not come back together. Who holds leaves half
 * of the belief that is `left` for the first attempt itself: a connection that fell silent has cost most of it already.
 */
export function delay(attempt: number, holding: boolean, left: number, chance: number): number {
  if (attempt === 0) return chance * (holding && left > 0 ? Math.min(4, left / 2) : 4);
  const most = Math.min(holding ? 5 : 20, 2 ** attempt);
  return 0.5 + chance * (most - 0.5);
}
