// src/clock.ts
var systemClock = () => ({ mono: performance.now() / 1e3, wall: Date.now() / 1e3 });
function elapsed(since, now) {
  return Math.max(now.mono - since.mono, now.wall - since.wall);
}
function jumped(since, now) {
  return Math.abs(now.wall - since.wall - (now.mono - since.mono)) > 2;
}

// src/belief.ts
var kept = 32;
function begin(helloSent, ttl, margin) {
  return { from: helloSent, span: ttl - margin, unacknowledged: [], lapsed: false };
}
function ponged(belief, ping, at) {
  return { ...belief, unacknowledged: [...belief.unacknowledged, { ping, at }].slice(-kept) };
}
function acknowledged(belief, ack, now) {
  const checked = check(belief, now);
  const pong = checked.unacknowledged.find((sent) => sent.ping === ack);
  if (!pong) return checked;
  const unacknowledged = checked.unacknowledged.filter((sent) => sent.ping > ack);
  return { ...checked, from: pong.at, unacknowledged };
}
function check(belief, now) {
  return belief.lapsed || left(belief, now) > 0 ? belief : { ...belief, lapsed: true };
}
function left(belief, now) {
  return belief.lapsed ? 0 : belief.span - elapsed(belief.from, now);
}

// src/events.ts
var Events = class {
  rest = "";
  event = "";
  data = [];
  /** The events that this piece completes. */
  take(piece) {
    const lines = (this.rest + piece).split("\n");
    this.rest = lines.pop() ?? "";
    const complete = [];
    for (const line2 of lines) this.line(line2.endsWith("\r") ? line2.slice(0, -1) : line2, complete);
    return complete;
  }
  line(line2, complete) {
    if (!line2) {
      if (this.data.length) complete.push({ event: this.event || "message", data: this.data.join("\n") });
      this.event = "";
      this.data = [];
      return;
    }
    const [, name, value2 = ""] = /^([^:]*)(?:: ?(.*))?$/s.exec(line2) ?? [];
    if (name === "event") this.event = value2;
    if (name === "data") this.data.push(value2);
  }
};

// src/protocol.ts
var subprotocol = "editlock.v1";
function isFields(value2) {
  return typeof value2 === "object" && value2 !== null && !Array.isArray(value2);
}
var text = (value2) => typeof value2 === "string" ? value2 : "";
var number = (value2) => typeof value2 === "number" && Number.isFinite(value2) ? value2 : 0;
var list = (value2) => Array.isArray(value2) ? value2 : [];
function oneOf(value2, allowed) {
  return allowed.find((candidate) => candidate === value2) ?? null;
}
var reasons = [
  "released",
  "left",
  "handed_over",
  "idle",
  "expired",
  "unconfirmed",
  "taken_over",
  "forced",
  "revoked",
  "logged_out"
];
function parseHolder(value2) {
  if (!isFields(value2)) return null;
  return {
    user: text(value2["user"]),
    name: text(value2["name"]),
    since: text(value2["since"]),
    held_for: number(value2["held_for"]),
    you: value2["you"] === true,
    yours: value2["yours"] === true
  };
}
function parseMine(value2) {
  if (!isFields(value2)) return null;
  const state = oneOf(value2["state"], ["waiting", "absent", "granted", "held", "lapsed"]);
  if (!state) return null;
  return {
    state,
    position: number(value2["position"]),
    since: text(value2["since"]),
    fence: number(value2["fence"]),
    token: text(value2["token"]),
    expires_in: number(value2["expires_in"]),
    confirm_within: number(value2["confirm_within"])
  };
}
function parseEnded(value2) {
  if (!isFields(value2)) return null;
  return {
    fence: number(value2["fence"]),
    reason: oneOf(value2["reason"], reasons),
    at: text(value2["at"])
  };
}
function parseSnapshot(value2) {
  if (!isFields(value2) || !text(value2["resource"])) return null;
  const state = oneOf(value2["state"], ["free", "held", "lapsed"]);
  if (!state) return null;
  return {
    resource: text(value2["resource"]),
    revision: number(value2["revision"]),
    state,
    holder: parseHolder(value2["holder"]),
    waiting: number(value2["waiting"]),
    version: typeof value2["version"] === "string" ? value2["version"] : null,
    mine: parseMine(value2["mine"]),
    ended: parseEnded(value2["ended"])
  };
}
function parseSnapshots(value2) {
  return list(value2).map(parseSnapshot).filter((snapshot) => snapshot !== null);
}
function parseWelcome(f) {
  const ttl = number(f["ttl"]);
  if (!text(f["resume"]) || ttl <= 0 || number(f["heartbeat"]) <= 0) return null;
  const user = isFields(f["user"]) ? f["user"] : {};
  return {
    type: "welcome",
    id: number(f["id"]),
    session: text(f["session"]),
    epoch: number(f["epoch"]),
    resume: text(f["resume"]),
    resumed: f["resumed"] === true,
    user: { id: text(user["id"]), name: text(user["name"]) },
    ttl,
    margin: number(f["margin"]),
    heartbeat: number(f["heartbeat"]),
    pong_timeout: number(f["pong_timeout"]),
    rights: list(f["rights"]).map(text),
    token_expires_in: number(f["token_expires_in"]),
    snapshots: parseSnapshots(f["snapshots"])
  };
}
function parseFreshToken(value2) {
  if (!isFields(value2) || !text(value2["token"])) return null;
  return {
    resource: text(value2["resource"]),
    fence: number(value2["fence"]),
    token: text(value2["token"]),
    expires_in: number(value2["expires_in"])
  };
}
function parseFrame(data) {
  let f;
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
        type: "ok",
        id,
        snapshot: parseSnapshot(f["snapshot"]),
        snapshots: parseSnapshots(f["snapshots"]),
        more: f["more"] === true,
        token_expires_in: number(f["token_expires_in"])
      };
    case "error":
      return {
        type: "error",
        id,
        code: text(f["code"]),
        message: text(f["message"]),
        retry_after: number(f["retry_after"]),
        snapshot: parseSnapshot(f["snapshot"])
      };
    case "ping":
      return {
        type: "ping",
        ping: number(f["ping"]),
        ack: number(f["ack"]),
        locks: list(f["locks"]).map(parseFreshToken).filter((lock) => lock !== null)
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
function comeback(code) {
  if (code >= 4300 && code <= 4399) return "never";
  if (code >= 4200 && code <= 4299) return "refresh";
  if (code >= 4100 && code <= 4199) return "later";
  if (code === 1002 || code === 1003 || code === 1007 || code === 1009) return "later";
  return "now";
}
function sessionOver(code) {
  return code === 4302 || code === 4303 || code === 4304;
}
function delay(attempt, holding, left2, chance) {
  if (attempt === 0) return chance * (holding && left2 > 0 ? Math.min(4, left2 / 2) : 4);
  const most2 = Math.min(holding ? 5 : 20, 2 ** attempt);
  return 0.5 + chance * (most2 - 0.5);
}

// src/slot.ts
var letGo = 2e3;
var answer = 500;
var Slot = class _Slot {
  constructor(key3) {
    this.key = key3;
  }
  key;
  stored = fresh();
  free = null;
  channel = null;
  /** Finds this tab's own session, or makes room for a new one. */
  static async claim(base) {
    const slot = new _Slot(`editlock ${base} ${framePath()}`);
    const before = slot.read();
    if (before && await slot.hold(before.id)) {
      slot.stored = before;
    } else {
      slot.write(fresh());
      if ("locks" in navigator) await slot.hold(slot.stored.id);
      else slot.listen(slot.stored.id, () => true);
    }
    return slot;
  }
  /** Whether the session is still this tab's. Where it may be another's, it is given up here. */
  async still() {
    if ("locks" in navigator || await this.ask(this.stored.id, "0")) return true;
    this.discard();
    return false;
  }
  /** What the next hello proves itself with. It is stored already, so that a repeat is the same. */
  get credentials() {
    const { nonce, resume } = this.stored;
    return resume === void 0 ? { nonce } : { nonce, resume };
  }
  /** Keeps the next resume token, with a new nonce, in one write. */
  welcomed(resume) {
    this.write({ id: this.stored.id, nonce: random(), resume });
  }
  /** Forgets the session: the next hello makes a new one. */
  forget() {
    this.write({ id: this.stored.id, nonce: random() });
  }
  /** The session goes on elsewhere, or not at all: neither its name nor its credentials are this tab's any more. */
  discard() {
    this.write(fresh());
    this.release();
  }
  /** Lets the next document of this tab have the slot. */
  release() {
    this.free?.();
    this.free = null;
  }
  read() {
    try {
      const value2 = JSON.parse(sessionStorage.getItem(this.key) ?? "null");
      if (typeof value2 !== "object" || value2 === null) return null;
      const { id, nonce, resume } = value2;
      if (typeof id !== "string" || typeof nonce !== "string") return null;
      return typeof resume === "string" ? { id, nonce, resume } : { id, nonce };
    } catch {
      return null;
    }
  }
  write(stored) {
    this.stored = stored;
    try {
      sessionStorage.setItem(this.key, JSON.stringify(stored));
    } catch {
    }
  }
  hold(id) {
    if (!("locks" in navigator)) return this.ask(id, "1");
    const given = new AbortController();
    const timer = setTimeout(() => given.abort(), letGo);
    return new Promise((resolve) => {
      const until = new Promise((free) => this.free = free);
      navigator.locks.request(`editlock:${id}`, { signal: given.signal }, () => {
        clearTimeout(timer);
        resolve(true);
        return until;
      }).catch(() => resolve(false));
    });
  }
  /**
   * Asks the other tabs whether one of them has the slot. Of several that ask at the same time the one with the lowest
   * mark has it; `rank`, its first character, puts those that had it before in front of those that start.
   */
  ask(id, rank) {
    const mark = rank + random();
    let ours = true;
    const channel = this.listen(id, (theirs) => {
      if (theirs < mark) ours = false;
      return ours;
    }, (told) => {
      if (told === mark) ours = false;
    });
    if (!channel) return Promise.resolve(true);
    channel.postMessage({ ask: mark });
    return new Promise((resolve) => {
      setTimeout(() => {
        if (!ours) this.release();
        else if (this.channel === channel) this.listen(id, () => true);
        resolve(ours);
      }, answer);
    });
  }
  /** Hears what other tabs ask about the slot, and tells those that `refuses` says must not have it. */
  listen(id, refuses, told) {
    if (typeof BroadcastChannel === "undefined") return null;
    const channel = this.channel ??= new BroadcastChannel(`editlock:${id}`);
    this.free = () => {
      channel.close();
      this.channel = null;
    };
    channel.onmessage = ({ data }) => {
      if (typeof data.taken === "string") told?.(data.taken);
      if (typeof data.ask === "string" && refuses(data.ask)) channel.postMessage({ taken: data.ask });
    };
    return channel;
  }
};
function fresh() {
  return { id: random(), nonce: random() };
}
function random() {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return btoa(String.fromCharCode(...bytes)).replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "");
}
function framePath() {
  const path = [];
  for (let frame = window; frame !== frame.parent; frame = frame.parent) {
    let index = 0;
    while (index < frame.parent.length && frame.parent[index] !== frame) index++;
    path.unshift(frame === window && window.name ? window.name : index);
  }
  return path.length ? path.join(".") : "top";
}

// src/pipe.ts
function openPipe(way, base, events) {
  return way === "websocket" ? openSocket(base, events) : new Stream(base, way === "poll", events);
}
function socketUrl(base) {
  return `${base.replace(/^http/, "ws")}/v1/socket`;
}
function openSocket(base, events) {
  const socket = new WebSocket(socketUrl(base), subprotocol);
  socket.onopen = () => {
    events.opened();
    events.ready();
  };
  socket.onmessage = (message) => events.received(message.data);
  socket.onclose = (close) => events.closed(close.code);
  return {
    send: (text2) => {
      if (socket.readyState === WebSocket.OPEN) socket.send(text2);
    },
    close: () => socket.close(1e3)
  };
}
var most = { frames: 20, characters: 16 << 10 };
var tries = 3;
var lastWords = 1e3;
var Stream = class {
  constructor(base, polls, events) {
    this.polls = polls;
    this.events = events;
    this.url = `${base}/v1/stream/${random()}`;
    queueMicrotask(() => events.ready());
  }
  polls;
  events;
  url;
  over = new AbortController();
  waiting = [];
  key = "";
  posts = 0;
  begun = false;
  posting = false;
  send(text2) {
    this.waiting.push(text2);
    if (this.begun) return void this.post();
    this.begun = true;
    void this.receive();
  }
  close() {
    this.over.abort();
  }
  end(code) {
    if (this.over.signal.aborted) return;
    this.close();
    this.events.closed(code);
  }
  request(head, frames) {
    return fetch(this.url, {
      method: "POST",
      cache: "no-store",
      credentials: "same-origin",
      signal: this.over.signal,
      headers: { "Content-Type": "text/plain" },
      body: [JSON.stringify(head), ...frames, ""].join("\n")
    });
  }
  async receive() {
    try {
      let answer2 = await this.request({ open: this.polls ? "poll" : "stream" }, this.waiting.splice(0));
      for (let poll = 2; await this.read(answer2); poll++) answer2 = await this.request({ key: this.key, poll }, []);
    } catch {
    }
    this.end(1006);
  }
  /** Reads an answer to its end, and says whether to ask for another. */
  async read(answer2) {
    if (!answer2.ok || !answer2.body || !answer2.headers.get("Content-Type")?.startsWith("text/event-stream")) return false;
    const reader = answer2.body.getReader();
    const decoder = new TextDecoder();
    const events = new Events();
    for (; ; ) {
      const { done, value: value2 } = await reader.read();
      if (done) return this.polls && this.key !== "";
      for (const { event, data } of events.take(decoder.decode(value2, { stream: true }))) this.take(event, data);
    }
  }
  take(event, data) {
    if (this.over.signal.aborted) return;
    if (event === "message") return this.events.received(data);
    if (event !== "open" && event !== "close") return;
    const { key: key3, code } = JSON.parse(data);
    if (event === "close") return this.end(typeof code === "number" ? code : 1006);
    this.key = String(key3);
    this.events.opened();
    void this.post();
  }
  /** Posts what waits, one request after the other, so that nothing overtakes. */
  async post() {
    if (this.posting || !this.key) return;
    this.posting = true;
    while (this.waiting.length && !this.over.signal.aborted) {
      let size = 0;
      const end = this.waiting.findIndex((text2, i) => i > 0 && (i >= most.frames || size + text2.length > most.characters) || !(size += text2.length));
      if (!await this.posted(this.waiting.splice(0, end < 0 ? Infinity : end))) return;
    }
    this.posting = false;
  }
  async posted(frames) {
    const head = { key: this.key, post: ++this.posts };
    for (let i = 0; i < tries && !this.over.signal.aborted; i++) {
      const status2 = await this.request(head, frames).then((answer2) => answer2.status, () => 0);
      if (status2 === 204) return true;
      if (status2 === 404) break;
    }
    setTimeout(() => this.end(1006), lastWords);
    return false;
  }
};

// src/link.ts
var EditlockError = class extends Error {
  constructor(code, message, retryAfter = 0, frame = null) {
    super(message);
    this.code = code;
    this.retryAfter = retryAfter;
    this.frame = frame;
  }
  code;
  retryAfter;
  frame;
  name = "EditlockError";
};
var patience = { opening: 4, welcome: 10 };
var Link = class {
  constructor(way, base, token, credentials, clock, events) {
    this.way = way;
    this.token = token;
    this.credentials = credentials;
    this.clock = clock;
    this.events = events;
    this.heard = this.helloSent = clock();
    this.pipe = openPipe(way, base, this);
    this.arm(way === "poll" ? patience.welcome : patience.opening);
  }
  way;
  token;
  credentials;
  clock;
  events;
  welcome = null;
  /** Whether there was ever a server at the other end. */
  reached = false;
  /** Whether it ended because nothing came. */
  silent = false;
  /** When anything arrived last. */
  heard;
  pipe;
  waiters = /* @__PURE__ */ new Map();
  belief = null;
  helloSent;
  fault = null;
  lastId = 0;
  watchdog = 0;
  over = false;
  ready() {
    if (!this.over) this.hello(this.credentials);
  }
  opened() {
    if (this.over) return;
    this.reached = true;
    this.arm(patience.welcome);
  }
  /** Whether what came over this connection still vouches for the session: a bare disconnect changes nothing. */
  sure() {
    if (!this.belief) return false;
    this.belief = check(this.belief, this.clock());
    return !this.belief.lapsed;
  }
  /** Seconds for which it does so yet. */
  left() {
    return this.belief ? left(this.belief, this.clock()) : 0;
  }
  request(request2) {
    return new Promise((resolve, reject) => {
      if (this.over || !this.welcome) return reject(disconnected());
      this.waiters.set(this.send(request2), { resolve, reject });
    });
  }
  /** Closes without a word to the events; open requests are rejected. */
  close() {
    if (this.over) return;
    this.finish();
    this.pipe.close();
  }
  hello(credentials) {
    this.helloSent = this.clock();
    this.send({ type: "hello", token: this.token, ...credentials });
  }
  send(request2) {
    const id = ++this.lastId;
    this.pipe.send(JSON.stringify({ id, ...request2 }));
    return id;
  }
  received(data) {
    if (this.over || typeof data !== "string") return;
    const frame = parseFrame(data);
    if (!frame) return;
    this.heard = this.clock();
    if (frame.type === "ping") return this.ping(frame);
    this.dispatch(frame);
  }
  ping(frame) {
    const now = this.heard;
    if (this.belief) {
      this.belief = ponged(acknowledged(this.belief, frame.ack, now), frame.ping, now);
    }
    this.pipe.send(JSON.stringify({ type: "pong", ping: frame.ping }));
    this.armForPing();
    this.events.pinged(this, frame);
  }
  dispatch(frame) {
    switch (frame.type) {
      case "welcome":
        this.welcome = frame;
        this.belief = begin(this.helloSent, frame.ttl, frame.margin);
        this.armForPing();
        return this.events.welcomed(this, frame);
      case "ok":
        this.waiters.get(frame.id)?.resolve(frame);
        this.waiters.delete(frame.id);
        return;
      case "error": {
        const error = new EditlockError(frame.code, frame.message, frame.retry_after, frame.snapshot);
        if (!this.welcome) {
          this.fault = error;
          if (frame.code === "resume_refused") this.hello(this.events.fresh());
          return;
        }
        this.waiters.get(frame.id)?.reject(error);
        this.waiters.delete(frame.id);
        return;
      }
      case "snapshot":
        return this.events.pushed(this, frame.snapshot);
      case "move":
        return this.events.moving(this, frame.within);
    }
  }
  armForPing() {
    const welcome = this.welcome;
    if (welcome) this.arm(welcome.heartbeat * 1.1 + welcome.pong_timeout);
  }
  arm(seconds) {
    clearTimeout(this.watchdog);
    this.watchdog = window.setTimeout(() => {
      this.silent = true;
      this.pipe.close();
      this.closed(1006);
    }, seconds * 1e3);
  }
  closed(code) {
    if (this.over) return;
    this.finish();
    this.events.closed(this, code, this.fault);
  }
  finish() {
    this.over = true;
    clearTimeout(this.watchdog);
    for (const waiter of this.waiters.values()) waiter.reject(disconnected());
    this.waiters.clear();
  }
};
function disconnected() {
  return new EditlockError("disconnected", "The connection to the lock server is gone. It comes back by itself.");
}

// src/access.ts
var Access = class {
  constructor(auth, clock) {
    this.auth = auth;
    this.clock = clock;
    this.since = clock();
  }
  auth;
  clock;
  token = "";
  since;
  lifetime = 0;
  /** A token was accepted: one that is refused from now on is somebody's who was logged in. */
  good = false;
  /** A token that is good for some seconds yet. */
  async get() {
    if (!this.token || this.left() < 15) await this.renew();
    return this.token;
  }
  /** A new token, whatever there was. Rejects with `unauthenticated` or `token_unavailable`. */
  async renew() {
    this.token = (typeof this.auth === "string" ? await fetchToken(this.auth) : await ask(this.auth, this.good)).trim();
    this.lasts(30);
    return this.token;
  }
  /** The server has taken the token in use. */
  accepted(seconds) {
    this.good = true;
    if (seconds > 0) this.lasts(seconds);
  }
  /** Says whose fault it is that the server refuses the token: nobody's log-in, if it has never taken one. */
  refused(error) {
    if (error.code !== "unauthenticated" || this.good) return error;
    const source = typeof this.auth === "string" ? this.auth : "the function auth";
    return new EditlockError("token_refused", `The lock server refuses the access token from ${source}: ${error.message}`);
  }
  lasts(seconds) {
    this.since = this.clock();
    this.lifetime = seconds;
  }
  forget() {
    this.token = "";
  }
  /** Whether to get the next one, some heartbeats early: hidden pages run no timer in time. */
  due(heartbeat) {
    return this.left() < Math.min(60, this.lifetime / 3) + 2 * heartbeat;
  }
  left() {
    return this.lifetime - elapsed(this.since, this.clock());
  }
};
function unavailable(source, cause) {
  return new EditlockError("token_unavailable", `The page could not get an access token: ${source} ${cause}.`);
}
async function ask(auth, good2) {
  let token;
  try {
    token = await auth();
  } catch (error) {
    if (error instanceof EditlockError) throw error;
    throw unavailable("the function auth", `failed: ${String(error)}`);
  }
  if (typeof token === "string" && token.trim()) return token;
  if (good2) throw new EditlockError("unauthenticated", "The function auth gives no access token any more. Log in again.");
  throw unavailable("the function auth", "gave none");
}
async function fetchToken(url) {
  let answer2, text2;
  try {
    answer2 = await fetch(url, {
      credentials: "same-origin",
      cache: "no-store",
      headers: { Accept: "application/json, text/plain" }
    });
    text2 = await answer2.text();
  } catch (error) {
    throw unavailable(url, `cannot be reached: ${String(error)}`);
  }
  const { status: status2 } = answer2;
  if (status2 === 401 || status2 === 403) {
    throw new EditlockError("unauthenticated", `No access token: ${url} answered ${status2}. Log in again.`);
  }
  const said = `answered ${status2}${answer2.redirected ? `, redirected to ${answer2.url}` : ""}`;
  if (!answer2.ok) throw unavailable(url, said);
  const html = /html/.test(answer2.headers.get("Content-Type") ?? "") || text2.trimStart().startsWith("<");
  if (html) throw unavailable(url, `${said}, with HTML instead of a token`);
  const token = text2.trimStart().startsWith("{") ? tokenIn(text2) : text2.trim();
  if (!token) throw unavailable(url, `${said}, without a token`);
  return token;
}
function tokenIn(json) {
  try {
    const { token } = JSON.parse(json);
    return typeof token === "string" ? token.trim() : "";
  } catch {
    return "";
  }
}

// src/ways.ts
var again = { first: 3e4, most: 6e5 };
var doubts = 3;
var Ways = class {
  constructor(key3, forced, now = Date.now, storage = () => sessionStorage) {
    this.key = key3;
    this.forced = forced;
    this.now = now;
    this.storage = storage;
    this.kept = this.read();
  }
  key;
  forced;
  now;
  storage;
  /** What the documents of this tab have found out. */
  kept;
  /** WebSockets that failed in a row. */
  failed = 0;
  /** A WebSocket worked in this document. */
  proven = false;
  /** The way to take, on an attempt that does not follow on the failure of another way. */
  next() {
    return this.forced ?? (this.kept && this.now() < this.kept.until ? this.kept.way : "websocket");
  }
  /** Whether it is time to see if a WebSocket gets through, beside a connection that works without. */
  due() {
    return this.next() === "websocket";
  }
  /** A connection was welcomed. */
  works(way) {
    this.failed = 0;
    if (way === "websocket") {
      this.proven = true;
      this.keep(null);
    } else if (this.kept?.way !== way) {
      this.keep({ way, until: this.now() + again.first, wait: again.first });
    } else if (this.now() >= this.kept.until) {
      this.closed();
    }
  }
  /** A WebSocket was tried once more, and did not get through, while another way works. */
  closed() {
    if (!this.kept) return;
    const wait = Math.min(again.most, this.kept.wait * 3);
    this.keep({ way: this.kept.way, until: this.now() + wait, wait });
  }
  /**
   * A connection ended before any server was heard on it: by a refusal, or in silence. Returns another way that is worth
   * trying at once. If that fails too the server is down, and nothing is concluded.
   */
  fails(way, silence) {
    if (this.forced) return null;
    if (way === "websocket") return this.proven && ++this.failed < doubts ? null : "stream";
    return way === "stream" && silence ? "poll" : null;
  }
  keep(kept2) {
    this.kept = kept2;
    try {
      if (kept2) this.storage().setItem(this.key, JSON.stringify(kept2));
      else this.storage().removeItem(this.key);
    } catch {
    }
  }
  read() {
    try {
      const value2 = JSON.parse(this.storage().getItem(this.key) ?? "null");
      const { way, until, wait } = value2 ?? {};
      if (way !== "stream" && way !== "poll" || typeof until !== "number" || typeof wait !== "number") return null;
      return { way, until: Math.min(until, this.now() + again.most), wait };
    } catch {
      return null;
    }
  }
};

// src/connection.ts
var Connection = class {
  /** `base` is the absolute URL at which the server's handler is mounted, without a slash at its end. `forced`: no other way is tried. */
  constructor(base, access, clock, events, forced = null) {
    this.base = base;
    this.access = access;
    this.clock = clock;
    this.events = events;
    this.ways = new Ways(`editlock way ${base}`, forced);
  }
  base;
  access;
  clock;
  events;
  slot = null;
  current = null;
  /** The link that was welcomed last, open or not: belief rests on it. */
  believed = null;
  next = null;
  /** The next link only tries whether a WebSocket gets through: nothing is wrong with the current one. */
  probing = false;
  timer = 0;
  attempts = 0;
  /** Connections that were refused or found nobody, until the first that opened: then the addresses are right. */
  unopened = 0;
  working = false;
  /** Rises when everything in progress is to be forgotten. */
  life = 0;
  lastTry = null;
  wanted = false;
  renewing = false;
  told = false;
  ways;
  /** Connects, and stays connected, until `leave`. */
  open() {
    if (this.wanted) return;
    this.wanted = true;
    void this.connect();
  }
  /** Whether the server vouches for the session now. */
  sure() {
    return this.believed?.sure() ?? false;
  }
  online() {
    return this.current !== null;
  }
  /** Seconds since the server was heard last; infinite without a link. */
  silence() {
    return this.current ? elapsed(this.current.heard, this.clock()) : Infinity;
  }
  request(request2) {
    return this.current ? this.current.request(request2) : Promise.reject(disconnected());
  }
  /** Belief that has lapsed comes back only on a new link: sees to it that there is one. */
  check() {
    if (this.wanted && this.current && !this.current.sure() && !this.next && !this.timer) void this.connect();
  }
  /** Comes back at once, on a new link; the present one is not to be trusted if `drop`. */
  retry(drop) {
    if (!this.wanted) return;
    if (drop && this.current) {
      this.current.close();
      this.current = null;
      this.events.down();
    }
    if (drop) {
      this.next?.close();
      this.next = null;
      this.probing = false;
    }
    if (this.next || this.working) return;
    const since = this.lastTry ? elapsed(this.lastTry, this.clock()) : Infinity;
    if (since < 1) this.later(1 - since);
    else void this.connect();
  }
  /** The page is going: says so, in a way that outlives it, and lets go of everything. */
  leave() {
    if (!this.wanted) return;
    this.wanted = false;
    this.life++;
    clearTimeout(this.timer);
    this.timer = 0;
    const resume = this.slot?.credentials.resume;
    if (resume !== void 0 && (this.current || this.attempts)) {
      void fetch(`${this.base}/v1/bye`, {
        method: "POST",
        keepalive: true,
        credentials: "same-origin",
        headers: { "Content-Type": "text/plain" },
        body: JSON.stringify({ resume })
      }).catch(() => void 0);
    }
    this.next?.close();
    this.next = null;
    const had = this.current;
    this.current = this.believed = null;
    had?.close();
    this.slot?.release();
    this.slot = null;
    if (had) this.events.down();
  }
  async connect(way) {
    if (this.next || this.working || !this.wanted) return;
    clearTimeout(this.timer);
    this.timer = 0;
    this.working = true;
    this.lastTry = this.clock();
    const life = this.life;
    try {
      const before = this.slot;
      const slot = before && await before.still() ? before : await Slot.claim(this.base);
      if (life !== this.life) return slot.release();
      if (slot !== before) this.believed = null;
      this.slot = slot;
      const token = await this.access.get();
      if (life !== this.life) return;
      this.next = new Link(way ?? this.ways.next(), this.base, token, slot.credentials, this.clock, this);
    } catch (error) {
      if (life !== this.life) return;
      this.probing = false;
      this.events.trouble(asError(error));
      this.attempts = Math.max(this.attempts, 1);
      this.later(this.delay());
    } finally {
      this.working = false;
      if (life !== this.life && this.wanted) void this.connect();
    }
  }
  later(seconds) {
    clearTimeout(this.timer);
    this.timer = window.setTimeout(() => {
      this.timer = 0;
      void this.connect();
    }, seconds * 1e3);
  }
  delay() {
    return delay(this.attempts++, this.events.urgent(), this.believed?.left() ?? 0, Math.random());
  }
  // What a link reports.
  fresh() {
    this.slot?.forget();
    this.believed = null;
    return { nonce: this.slot?.credentials.nonce ?? "" };
  }
  welcomed(link, welcome) {
    if (link !== this.next) return;
    this.slot?.welcomed(welcome.resume);
    const before = this.current;
    this.current = this.believed = link;
    this.next = null;
    this.probing = false;
    this.attempts = 0;
    this.unopened = Infinity;
    this.ways.works(link.way);
    if (link.way !== "websocket" && !this.told) {
      this.told = true;
      console.info(`editlock: connected without WebSocket (${link.way}); a proxy seems to let none through to ${socketUrl(this.base)}.`);
    }
    clearTimeout(this.timer);
    this.timer = 0;
    before?.close();
    this.access.accepted(welcome.token_expires_in);
    this.events.trouble(null);
    this.events.welcomed(welcome);
  }
  pushed(link, snapshot) {
    if (link === this.current) this.events.pushed(snapshot);
  }
  pinged(link, ping) {
    if (link !== this.current) return;
    this.events.pinged(ping);
    void this.renewToken(link);
    if (link.way !== "websocket" && this.ways.due() && !this.next && !this.timer && !this.working) {
      this.probing = true;
      void this.connect();
    }
  }
  moving(link, within) {
    if (link === this.current && !this.next) this.later(Math.random() * within);
  }
  closed(link, code, fault) {
    const probing = this.probing && link === this.next;
    if (!probing) this.unopened = link.reached ? Infinity : this.unopened + 1;
    if (this.unopened === 2) this.advise();
    if (link === this.next) {
      this.next = null;
      this.probing = false;
    } else if (link === this.current) {
      this.current = null;
      this.events.down();
      if (this.next) return;
    } else return;
    if (probing && this.current) return this.ways.closed();
    const unheard = !link.welcome && !fault && (!link.reached || link.silent);
    const another = unheard ? this.ways.fails(link.way, link.silent) : null;
    if (another) void this.connect(another);
    else this.comeBack(code, fault);
  }
  /** Why a connection was refused is for the browser's eyes only: names what it may be. */
  advise() {
    console.warn(`editlock: no connection to ${socketUrl(this.base)} from a page of ${location.origin}. If the browser says 403, start the server with --origin ${location.origin}; if it says 404, check server-url or the proxy.`);
  }
  comeBack(code, fault) {
    const how = comeback(code);
    fault &&= this.access.refused(fault);
    if (fault && fault.code !== "resume_refused") this.events.trouble(fault);
    else if (this.attempts > 1) this.events.trouble(new EditlockError("unavailable", "The lock server cannot be reached."));
    switch (how) {
      case "never":
        this.believed = null;
        if (sessionOver(code)) {
          this.slot?.discard();
          this.slot = null;
          break;
        }
        this.wanted = false;
        this.life++;
        return this.events.trouble(fault ?? new EditlockError("bad_request", `The server ended the connection (${code}).`));
      case "refresh":
        this.access.forget();
        return this.later(this.attempts++ === 0 ? 0 : this.delay());
      case "later":
        this.attempts = Math.max(this.attempts, 1);
        break;
      case "now":
    }
    this.later(Math.max(this.delay(), fault?.retryAfter ?? 0));
  }
  async renewToken(link) {
    const heartbeat = link.welcome?.heartbeat ?? 0;
    if (this.renewing || !this.access.due(heartbeat)) return;
    this.renewing = true;
    try {
      const token = await this.access.renew();
      const { token_expires_in } = await link.request({ type: "token", token });
      this.access.accepted(token_expires_in);
      this.events.trouble(null);
    } catch (error) {
      if (asError(error).code !== "disconnected") this.events.trouble(asError(error));
    } finally {
      this.renewing = false;
    }
  }
};
function asError(error) {
  if (error instanceof EditlockError) return error;
  return new EditlockError("unavailable", error instanceof Error ? error.message : String(error));
}

// src/loaded.ts
var key = (resource) => `editlock loaded ${resource}`;
function loadedWith(resource) {
  try {
    return Number(sessionStorage.getItem(key(resource))) || 0;
  } catch {
    return 0;
  }
}
function noteLoaded(resource, fence) {
  try {
    if (fence) sessionStorage.setItem(key(resource), String(fence));
    else sessionStorage.removeItem(key(resource));
  } catch {
  }
}

// src/lock.ts
function initial(resource, known = 0) {
  return {
    resource,
    known,
    wants: false,
    queue: true,
    move: false,
    view: null,
    online: false,
    sure: false,
    doubt: false,
    ask: true,
    flight: null,
    fence: 0,
    fresh: 0,
    loading: 0,
    token: "",
    tokenFor: 0,
    lost: null,
    error: null,
    trouble: null,
    version: null,
    closed: false,
    watched: false
  };
}
function reduce(s, e) {
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
      const fresh2 = e.request === "release" || e.request === "cancel" ? 0 : s.fresh;
      return { ...s, flight: e.request, fresh: fresh2, move: e.request === "acquire" ? false : s.move };
    }
    case "answer": {
      const asked = e.request === "watch" || e.request === "acquire" && s.fence === 0;
      const watched = asked || e.request === "acquire" ? true : e.request === "unwatch" ? false : s.watched;
      const error = s.error && isPassing(s.error.code) ? null : s.error;
      const next = { ...s, flight: null, error, watched, ...asked ? { doubt: false, ask: false } : {} };
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
      return e.fence === s.fence ? { ...s, loading: 0, wants: false, error: e.error } : s;
  }
}
var decided = ["handed_over", "idle", "taken_over", "forced", "revoked", "logged_out"];
function take(s, view) {
  const mine = view.mine;
  const first = s.view === null;
  const next = { ...s, view };
  if (mine && (mine.state === "held" || mine.state === "granted" || mine.state === "lapsed")) {
    const adopted = first && mine.state !== "granted" && mine.fence === s.known;
    const same2 = mine.fence === s.fence;
    return {
      ...next,
      wants: s.wants || first && !s.closed,
      fence: mine.fence,
      fresh: adopted ? mine.fence : s.fresh,
      loading: same2 ? s.loading : 0,
      token: mine.state === "held" && mine.token ? mine.token : same2 ? s.token : "",
      tokenFor: mine.state === "held" && mine.token ? mine.expires_in : same2 ? s.tokenFor : 0,
      lost: s.lost?.fence === mine.fence ? null : s.lost
    };
  }
  if (mine && first && !s.closed) return { ...next, wants: true };
  if (s.fence === 0) return next;
  const ended = view.ended?.fence === s.fence ? view.ended : null;
  const reason = ended?.reason ?? null;
  const inUse = s.fresh === s.fence;
  const gone = { ...next, fence: 0, fresh: 0, loading: 0, token: "", tokenFor: 0, doubt: false };
  if (!s.wants) return gone;
  if (!inUse && (!ended || reason !== null && !decided.includes(reason))) return gone;
  return { ...gone, wants: false, lost: { fence: s.fence, reason, at: ended?.at ?? null } };
}
var passing = [
  "unavailable",
  "unknown_outcome",
  "rate_limited",
  "queue_full",
  "shutting_down",
  "too_many_watches",
  "session_over",
  "replaced"
];
function isPassing(code) {
  return passing.includes(code);
}
function refused(s, request2, error, snapshot) {
  const next = snapshot ? take(s, snapshot) : s;
  if (error.code === "stale_fence") return request2 === "confirm" ? { ...next, ask: true } : next;
  if (isPassing(error.code)) return { ...next, error };
  if (request2 === "watch") return { ...next, ask: false, doubt: false, wants: false, watched: true, error };
  return { ...next, wants: false, error };
}
function plan(s) {
  if (!s.online || s.flight) return null;
  const resource = s.resource;
  const mine = s.view?.mine ?? null;
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
        return { type: "release", resource, fence: mine.fence, ...s.version === null ? {} : { version: s.version } };
      default:
        if (s.closed) return s.watched ? { type: "unwatch", resource } : null;
        return s.watched ? null : { type: "watch", resource };
    }
  }
  if (s.move) return { type: "acquire", resource, move: true };
  switch (mine?.state) {
    case void 0:
    case "absent":
    case "lapsed":
      return s.queue ? { type: "acquire", resource } : { type: "acquire", resource, wait: false };
    case "granted":
      return { type: "confirm", resource, fence: mine?.fence ?? 0 };
    default:
      return null;
  }
}
function givingUp(s) {
  return s.flight === "release" || s.flight === "cancel";
}
function toLoad(s) {
  const confirmed = s.wants && !givingUp(s) && s.view?.mine?.state === "held";
  return confirmed && s.token !== "" && s.fresh !== s.fence && s.loading !== s.fence ? s.fence : 0;
}
function settled(s) {
  return !s.flight && (s.view?.mine ?? null) === null;
}

// src/snapshot.ts
var idle = Object.freeze({
  resource: "",
  state: "connecting",
  editable: false,
  online: false,
  holder: null,
  position: null,
  waiting: 0,
  since: null,
  version: null,
  fence: null,
  lost: null,
  error: null
});
function status(s) {
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
function freeToType({ state, holder, error }, eager, trouble2) {
  if (state === "watching") return holder === null && (!error || error.code === trouble2);
  return state === "connecting" || state === "refreshing" && eager;
}
function mayReclaim({ lost, holder }) {
  return (lost?.reason === "expired" || lost?.reason === "left") && holder === null;
}
function picture(s, heldSince, mineSince) {
  const state = status(s);
  const frame = s.view?.holder ?? null;
  const mine = s.view?.mine ?? null;
  const holder = frame && Object.freeze({
    id: frame.user,
    name: frame.name,
    since: heldSince,
    you: frame.you,
    yours: frame.yours
  });
  return Object.freeze({
    resource: s.resource,
    state,
    editable: state === "held" || state === "unsure" && !s.doubt,
    online: s.online,
    holder,
    position: state === "waiting" && mine?.state === "waiting" ? mine.position : null,
    waiting: s.view?.waiting ?? 0,
    since: mine ? mineSince : null,
    version: s.view?.version ?? null,
    fence: s.fence || null,
    lost: s.lost,
    error: s.error ?? s.trouble
  });
}
function same(a, b) {
  return a.state === b.state && a.editable === b.editable && a.online === b.online && a.position === b.position && a.waiting === b.waiting && a.since === b.since && a.version === b.version && a.fence === b.fence && a.lost === b.lost && a.error?.code === b.error?.code && a.error?.message === b.error?.message && a.holder?.id === b.holder?.id && a.holder?.name === b.holder?.name && a.holder?.since === b.holder?.since && a.holder?.you === b.holder?.you && a.holder?.yours === b.holder?.yours;
}

// src/core.ts
var mistakes = ["bad_request", "bad_resource", "forbidden"];
var Core = class {
  constructor(resource, connection, clock, check2) {
    this.resource = resource;
    this.connection = connection;
    this.clock = clock;
    this.check = check2;
    this.state = initial(resource, loadedWith(resource));
    this.shown = picture(this.state, 0, 0);
    this.tokenAt = clock();
  }
  resource;
  connection;
  clock;
  check;
  state;
  shown;
  listeners = /* @__PURE__ */ new Set();
  /** Conditions that somebody waits for; looked at after every event, since tokens are in no picture. */
  awaited = /* @__PURE__ */ new Set();
  refreshes = /* @__PURE__ */ new Set();
  /** The mistakes that the console was told of, by code, and by code and message. */
  warned = /* @__PURE__ */ new Set();
  /** How many parts of the page use it. */
  uses = 0;
  tokenAt;
  holderSince = { frame: "", at: 0 };
  mineSince = { frame: "", at: 0 };
  /** Tells the answer to the request on its way from the answers to older ones. */
  turn = 0;
  pausedUntil = null;
  pause = 0;
  loader = null;
  get snapshot() {
    return this.shown;
  }
  /** Whether nothing of this lock is left to do or to show. */
  get done() {
    const s = this.state;
    return s.closed && (!s.online || settled(s) && !s.watched) && s.view?.mine == null;
  }
  get settled() {
    return settled(this.state);
  }
  get holding() {
    return this.state.fence !== 0;
  }
  get waits() {
    return this.state.wants || this.state.flight !== null;
  }
  subscribe(listener) {
    const own = (snapshot) => listener(snapshot);
    this.listeners.add(own);
    return () => this.listeners.delete(own);
  }
  /** Resolves with what the condition gives, as soon as that is not null; rejects with what it throws. */
  until(condition, signal) {
    return new Promise((resolve, reject) => {
      const stop = () => {
        this.awaited.delete(look);
        signal?.removeEventListener("abort", aborted);
      };
      const aborted = () => {
        stop();
        reject(signal?.reason);
      };
      const look = () => {
        try {
          const met = condition(this.shown);
          if (met === null) return;
          stop();
          resolve(met);
        } catch (error) {
          stop();
          reject(error);
        }
      };
      if (signal?.aborted) return aborted();
      signal?.addEventListener("abort", aborted);
      this.awaited.add(look);
      look();
    });
  }
  /** The lock token, if it is good for a moment yet and the page may be sure of the lock. */
  token() {
    const s = this.state;
    if (s.doubt || !s.sure || givingUp(s) || s.view?.mine?.state !== "held") return null;
    return s.token && elapsed(this.tokenAt, this.clock()) < s.tokenFor * 0.9 ? s.token : null;
  }
  dispatch(event) {
    const before = this.state;
    if (event.type === "online" || event.type === "offline") this.turn++;
    if (event.type === "acquire" || event.type === "online") this.pausedUntil = null;
    this.state = reduce(before, event);
    if (this.state.token !== before.token || event.type === "token") this.tokenAt = this.clock();
    if (before.fence && !this.state.fence) noteLoaded(this.resource, 0);
    if (before.loading && this.state.loading !== before.loading && this.state.fresh !== before.loading) this.loader?.abort();
    this.act();
    this.publish();
    for (const look of [...this.awaited]) look();
  }
  /** Does what is due: called after every event, and every second for what had to wait. */
  act() {
    const fence = toLoad(this.state);
    if (fence) this.load(fence);
    if (this.pausedUntil && elapsed(this.pausedUntil, this.clock()) < this.pause) return;
    const request2 = plan(this.state);
    if (!request2) return;
    const turn = ++this.turn;
    this.state = reduce(this.state, { type: "sent", request: request2.type });
    this.connection.request(request2).then(
      (ok) => {
        if (turn !== this.turn) return;
        this.pausedUntil = null;
        this.pause = 0;
        this.dispatch({ type: "answer", request: request2.type, snapshot: ok.snapshot });
      },
      (reason) => {
        if (turn !== this.turn) return;
        const error = asError(reason);
        if (error.code === "disconnected") return this.dispatch({ type: "unanswered" });
        this.pause = Math.max(error.retryAfter, Math.min(30, this.pause * 2 || (isPassing(error.code) ? 1 : 2)));
        if (error.code === "stale_fence") this.pause = 0;
        this.pausedUntil = this.clock();
        const { code, message } = error;
        this.warn(request2.type, code, message);
        this.dispatch({ type: "refused", request: request2.type, error: { code, message }, snapshot: error.frame });
      }
    );
  }
  /** Tells the console of a mistake once. Who may not ask for the lock is often refused to look on as well: that is nothing new. */
  warn(request2, code, message) {
    if (!mistakes.includes(code) || this.warned.has(request2 === "watch" ? code : code + message)) return;
    this.warned.add(code).add(code + message);
    console.warn(`editlock: ${request2} ${this.resource}: ${message} (${code})`);
  }
  load(fence) {
    this.state = reduce(this.state, { type: "loading", fence });
    const version = this.state.view?.version ?? null;
    const loader = this.loader = new AbortController();
    const headers = Object.freeze({ "Lock-Token": this.state.token });
    const grant = Object.freeze({ fence, headers, signal: loader.signal });
    if (this.refreshes.size === 0) {
      noteLoaded(this.resource, fence);
      this.state = reduce(this.state, { type: "loaded", fence });
      return;
    }
    Promise.all([...this.refreshes].map(async (refresh) => refresh(version, grant))).then(
      () => {
        if (this.state.fence === fence) noteLoaded(this.resource, fence);
        this.dispatch({ type: "loaded", fence });
      },
      (reason) => {
        if (loader.signal.aborted) return;
        const message = reason instanceof Error ? reason.message : String(reason);
        this.dispatch({ type: "unloaded", fence, error: { code: "refresh", message } });
      }
    );
  }
  publish() {
    const next = picture(this.state, this.holderAt(), this.mineAt());
    if (same(this.shown, next)) return;
    this.shown = next;
    for (const listener of [...this.listeners]) {
      try {
        listener(next);
      } catch (error) {
        reportError(error);
      }
    }
  }
  /** Shown times are counted back by our own clock from a duration of the server's: clocks may differ. */
  holderAt() {
    const holder = this.state.view?.holder;
    const frame = holder ? holder.user + holder.since : "";
    if (this.holderSince.frame !== frame) {
      this.holderSince = { frame, at: Math.round((this.clock().wall - (holder?.held_for ?? 0)) * 1e3) };
    }
    return this.holderSince.at;
  }
  mineAt() {
    const mine = this.state.view?.mine;
    const holds = mine && mine.state !== "waiting" && mine.state !== "absent";
    const frame = mine ? (holds ? "holds " : "waits ") + mine.since : "";
    if (this.mineSince.frame !== frame) this.mineSince = { frame, at: Math.round(this.clock().wall * 1e3) };
    return this.mineSince.at;
  }
  /** Sends a request that is no part of getting or giving up the lock. */
  async send(request2) {
    const { snapshot } = await this.connection.request(request2);
    if (snapshot) this.dispatch({ type: "push", snapshot });
  }
  /** The picture as of now: belief may have run out since the last event. */
  current() {
    this.check();
    return this.shown;
  }
  /** Refuses to go on without the lock. */
  static lostError(snapshot) {
    const reason = snapshot.lost?.reason ?? "expired";
    return new EditlockError("lost", `You do not hold ${snapshot.resource} any more (${reason}). Your text is still here.`);
  }
};

// src/done.ts
var key2 = (resource) => `editlock done ${resource}`;
var good = 6e4;
function markDone(resource) {
  try {
    sessionStorage.setItem(key2(resource), String(Date.now()));
  } catch {
  }
}
function takeDone(resource) {
  try {
    const at = Number(sessionStorage.getItem(key2(resource)) ?? 0);
    sessionStorage.removeItem(key2(resource));
    return Date.now() - at < good;
  } catch {
    return false;
  }
}
function cameByRedirect() {
  const [entry2] = performance.getEntriesByType("navigation");
  return entry2 instanceof PerformanceNavigationTiming && entry2.redirectCount > 0;
}
function refusedPage() {
  const [entry2] = performance.getEntriesByType("navigation");
  return entry2 instanceof PerformanceNavigationTiming && entry2.responseStatus >= 400;
}

// src/lifecycle.ts
function followLifecycle(page) {
  window.addEventListener("pagehide", () => page.leave());
  window.addEventListener("pageshow", (event) => event.persisted && page.returned(true));
  document.addEventListener("resume", () => page.returned(true));
  window.addEventListener("online", () => page.returned(false));
  document.addEventListener("visibilitychange", () => {
    if (document.visibilityState === "visible") page.returned(false);
  });
}

// src/prefixes.ts
var Prefixes = class {
  constructor(connection) {
    this.connection = connection;
  }
  connection;
  watched = /* @__PURE__ */ new Map();
  get size() {
    return this.watched.size;
  }
  /** Calls the listener with all that is not free below the prefix, now and at every change. */
  watch(prefix, listener, failed) {
    let watched = this.watched.get(prefix);
    if (!watched) {
      watched = { prefix, entries: /* @__PURE__ */ new Map(), revisions: /* @__PURE__ */ new Map(), listeners: /* @__PURE__ */ new Set(), failures: /* @__PURE__ */ new Set(), known: false, asked: 0, pause: 0 };
      this.watched.set(prefix, watched);
      if (this.connection.online()) void this.ask(watched);
    }
    const own = (entries2) => listener(entries2);
    watched.listeners.add(own);
    if (failed) watched.failures.add(failed);
    const { entries, known, listeners, failures } = watched;
    if (known) queueMicrotask(() => listeners.has(own) && own(entries));
    return () => {
      listeners.delete(own);
      if (failed) failures.delete(failed);
      if (listeners.size || this.watched.get(prefix)?.listeners !== listeners) return;
      this.watched.delete(prefix);
      this.connection.request({ type: "unwatch", prefix }).catch(() => void 0);
    };
  }
  online() {
    for (const watched of this.watched.values()) void this.ask(watched);
  }
  pushed(frame) {
    for (const watched of this.watched.values()) {
      if (!frame.resource.startsWith(watched.prefix)) continue;
      if (frame.revision < (watched.revisions.get(frame.resource) ?? 0)) continue;
      watched.revisions.set(frame.resource, frame.revision);
      const entries = new Map(watched.entries);
      if (frame.state === "free") entries.delete(frame.resource);
      else entries.set(frame.resource, entry(frame));
      this.tell(watched, entries);
    }
  }
  async ask(watched) {
    const turn = ++watched.asked;
    const current = () => turn === watched.asked && this.watched.get(watched.prefix) === watched;
    try {
      const { snapshots } = await this.connection.request({ type: "watch", prefix: watched.prefix });
      if (!current()) return;
      watched.revisions = new Map(snapshots.map((frame) => [frame.resource, frame.revision]));
      watched.known = true;
      watched.pause = 0;
      this.tell(watched, new Map(snapshots.map((frame) => [frame.resource, entry(frame)])));
    } catch (error) {
      const { code, message, retryAfter } = asError(error);
      if (code === "disconnected" || !current()) return;
      for (const failed of [...watched.failures]) failed(error);
      if (!isPassing(code)) return console.warn(`editlock: watch ${watched.prefix}: ${message} (${code})`);
      watched.pause = Math.max(retryAfter, Math.min(30, watched.pause * 2 || 1));
      setTimeout(() => current() && this.connection.online() && void this.ask(watched), watched.pause * 1e3);
    }
  }
  tell(watched, entries) {
    watched.entries = entries;
    for (const listener of [...watched.listeners]) listener(entries);
  }
};
function entry(frame) {
  const holder = frame.holder;
  return Object.freeze({
    resource: frame.resource,
    state: frame.state,
    holder: holder && Object.freeze({
      id: holder.user,
      name: holder.name,
      since: Math.round(Date.now() - holder.held_for * 1e3),
      you: holder.you,
      yours: holder.yours
    }),
    waiting: frame.waiting,
    version: frame.version
  });
}

// src/client.ts
var unclaimedFor = 3;
var unusedFor = 30;
var Client = class {
  cores = /* @__PURE__ */ new Map();
  prefixes;
  connection;
  access;
  clock;
  /** What the resumed session holds or waits for, until the page asks for it. */
  unclaimed = /* @__PURE__ */ new Map();
  sure = false;
  /** Since when belief has lapsed, and how much later the lease itself ends. */
  unsureSince;
  margin = 3;
  wasOverdue = false;
  lastPulse;
  usedAt;
  pulsing = 0;
  heartbeat = 10;
  /** What keeps the page from connecting; null when nothing does. */
  trouble = null;
  /** Called when `trouble` or `overdue` changes. */
  troubles = /* @__PURE__ */ new Set();
  warned = "";
  user = null;
  constructor(base, auth, forced = null) {
    this.clock = systemClock;
    this.lastPulse = this.usedAt = this.unsureSince = this.clock();
    this.access = new Access(auth, this.clock);
    this.connection = new Connection(base, this.access, this.clock, {
      welcomed: (welcome) => this.welcomed(welcome),
      down: () => this.down(),
      pushed: (snapshot) => this.pushed(snapshot),
      pinged: (ping) => this.pinged(ping),
      trouble: (error) => this.troubled(error),
      urgent: () => [...this.cores.values()].some((core) => core.holding)
    }, forced);
    this.prefixes = new Prefixes(this.connection);
    followLifecycle(this);
  }
  /** The lock of a resource, made when it is asked for first. */
  core(resource) {
    const name = resource.normalize("NFC");
    let core = this.cores.get(name);
    if (!core) {
      core = new Core(name, this.connection, this.clock, () => this.pulse());
      this.cores.set(name, core);
      this.use();
      if (this.connection.online()) {
        core.dispatch({ type: "sure", sure: this.sure });
        core.dispatch({ type: "online", resumed: true, snapshot: this.unclaimed.get(name) ?? null });
        this.unclaimed.delete(name);
      }
      core.dispatch({ type: "trouble", trouble: this.lasting() });
    } else {
      core.dispatch({ type: "reopen" });
    }
    return core;
  }
  /** Something is needed of the server: be connected. */
  use() {
    this.usedAt = this.clock();
    if (!this.pulsing) this.pulsing = window.setInterval(() => this.pulse(), 1e3);
    this.connection.open();
  }
  /** A person asks again: comes back even where the server had refused for good. */
  retryIfStopped() {
    this.use();
    if (!this.connection.online() && this.trouble) this.connection.retry(false);
  }
  /** Cut off for so long that the lease is over: somebody else may have been let in. */
  get overdue() {
    return !this.sure && !this.connection.online() && elapsed(this.unsureSince, this.clock()) > this.margin;
  }
  /** Looks at the clocks: whether belief still stands, and whether the machine was asleep. */
  pulse() {
    const now = this.clock();
    const asleep = jumped(this.lastPulse, now);
    this.lastPulse = now;
    if (asleep) this.returned(true);
    this.setSure(this.connection.sure());
    this.connection.check();
    for (const [name, core] of this.cores) {
      if (core.done) this.cores.delete(name);
      else core.act();
    }
    if (this.overdue !== this.wasOverdue) {
      this.wasOverdue = !this.wasOverdue;
      for (const listener of [...this.troubles]) listener();
    }
    if (this.cores.size || this.prefixes.size) this.usedAt = now;
    else if (elapsed(this.usedAt, now) > unusedFor) this.leave();
  }
  /** The page is going, for ever or into the back/forward cache. */
  leave() {
    clearInterval(this.pulsing);
    this.pulsing = 0;
    this.doubt();
    this.connection.leave();
  }
  /** The page is back. `suspect`: the connection may be dead without knowing. */
  returned(suspect) {
    if (!this.cores.size && !this.prefixes.size) return;
    this.doubt();
    this.lastPulse = this.clock();
    this.use();
    this.setSure(this.connection.sure());
    if (suspect || this.connection.silence() > this.heartbeat * 1.2) this.connection.retry(true);
    else for (const core of this.cores.values()) core.act();
  }
  doubt() {
    for (const core of this.cores.values()) core.dispatch({ type: "doubt" });
  }
  setSure(sure) {
    if (sure === this.sure) return;
    this.sure = sure;
    if (!sure) this.unsureSince = this.clock();
    for (const core of this.cores.values()) core.dispatch({ type: "sure", sure });
  }
  welcomed(welcome) {
    this.user = welcome.user;
    this.heartbeat = welcome.heartbeat;
    this.margin = welcome.margin;
    this.setSure(this.connection.sure());
    const listed = new Map(welcome.snapshots.map((snapshot) => [snapshot.resource, snapshot]));
    for (const [name, core] of this.cores) {
      core.dispatch({ type: "online", resumed: welcome.resumed, snapshot: listed.get(name) ?? null });
      listed.delete(name);
    }
    this.unclaimed = listed;
    if (listed.size) this.dropUnclaimed();
    this.prefixes.online();
  }
  /** Leaving a page releases: what the next page of this tab does not use, it does not keep. */
  dropUnclaimed() {
    if (document.readyState !== "complete") {
      window.addEventListener("load", () => this.dropUnclaimed(), { once: true });
      return;
    }
    const drop = (names) => {
      for (const name of names) if (this.unclaimed.has(name)) this.core(name).dispatch({ type: "close" });
    };
    drop([...this.unclaimed.keys()].filter(takeDone));
    setTimeout(() => drop([...this.unclaimed.keys()]), unclaimedFor * 1e3);
  }
  down() {
    this.setSure(this.connection.sure());
    for (const core of this.cores.values()) core.dispatch({ type: "offline" });
  }
  pushed(snapshot) {
    const core = this.cores.get(snapshot.resource);
    if (core) core.dispatch({ type: "push", snapshot });
    else if (this.unclaimed.has(snapshot.resource)) this.unclaimed.set(snapshot.resource, snapshot);
    this.prefixes.pushed(snapshot);
  }
  pinged(ping) {
    this.setSure(this.connection.sure());
    for (const { resource, fence, token, expires_in } of ping.locks) {
      this.cores.get(resource)?.dispatch({ type: "token", fence, token, expires: expires_in });
    }
  }
  troubled(error) {
    if (error === this.trouble) return;
    this.trouble = error;
    const trouble2 = this.lasting();
    if (trouble2 && trouble2.message !== this.warned) console.warn(`editlock: ${trouble2.message} (${trouble2.code})`);
    if (trouble2 || !error) this.warned = trouble2?.message ?? "";
    for (const core of this.cores.values()) core.dispatch({ type: "trouble", trouble: trouble2 });
    for (const listener of [...this.troubles]) listener();
  }
  /** Trouble that somebody has to look at, and that does not pass by itself. */
  lasting() {
    if (!this.trouble || isPassing(this.trouble.code)) return null;
    const { code, message } = this.trouble;
    return Object.freeze({ code, message });
  }
};

// src/handle.ts
var Lock = class {
  constructor(core, client, options = {}) {
    this.core = core;
    this.client = client;
    core.uses++;
    const { refresh, save, signal, start } = options;
    if (refresh) {
      core.refreshes.add(refresh);
      this.offs.push(() => core.refreshes.delete(refresh));
    }
    if (save) {
      const hidden = () => {
        if (document.visibilityState === "hidden" && this.snapshot.state === "held") void save(this);
      };
      document.addEventListener("visibilitychange", hidden);
      this.offs.push(() => document.removeEventListener("visibilitychange", hidden));
    }
    if (signal?.aborted) this.close();
    else signal?.addEventListener("abort", () => this.close(), { once: true });
    if ((start ?? "open") === "open") this.acquire();
  }
  core;
  client;
  offs = [];
  closed = false;
  get resource() {
    return this.core.resource;
  }
  /** The present picture; the same object until something changes. */
  get snapshot() {
    return this.core.current();
  }
  /** Calls `listener` at every change until the function it returns is called. */
  subscribe(listener) {
    const off = this.core.subscribe(listener);
    this.offs.push(off);
    return off;
  }
  /** Asks for the lock, or for a place in the line. What comes of it is in the snapshots. */
  acquire(options = {}) {
    if (this.closed) return;
    this.client.retryIfStopped();
    this.core.dispatch({ type: "acquire", queue: options.wait ?? true, move: options.move ?? false });
  }
  /** Resolves when this page holds the lock and shows fresh content; rejects when it cannot come to that. */
  async held(options = {}) {
    await this.core.until((snapshot) => {
      if (snapshot.state === "held") return true;
      if (snapshot.state === "lost") throw Core.lostError(snapshot);
      if (!this.core.waits) throw refusal(snapshot);
      return null;
    }, options.signal);
  }
  /** Leaves the line, or gives a lock up: the page only looks on from now on. */
  cancel() {
    this.core.dispatch({ type: "release", version: null });
  }
  /**
   * Gives the lock up. `version` names the content that was saved last, so that the next one does not see less.
   * Resolves when the server has it; an unreachable server gets it when it is back.
   */
  async release(options = {}) {
    const { version } = options;
    this.core.dispatch({ type: "release", version: version === void 0 ? null : String(version) });
    await this.core.until(() => this.core.settled ? true : null);
  }
  /** Tells the others that content was saved as `version`, and goes on editing. */
  async changed(version) {
    const { fence } = this.snapshot;
    if (fence === null) throw Core.lostError(this.snapshot);
    await this.core.send({ type: "changed", resource: this.resource, fence, version: String(version) });
  }
  /**
   * The headers of a save: `Lock-Token`. Waits while it is not certain that the lock is still held, and rejects
   * when it is not, so that nothing is saved over somebody else's work.
   */
  async headers(options = {}) {
    this.core.current();
    const token = await this.core.until((snapshot) => {
      if (snapshot.state === "lost") throw Core.lostError(snapshot);
      if (snapshot.state !== "held" && snapshot.state !== "unsure" && snapshot.state !== "refreshing") {
        throw new EditlockError("not_held", `You do not hold ${snapshot.resource}. Acquire it before you save.`);
      }
      return this.core.token();
    }, options.signal);
    return { "Lock-Token": token };
  }
  /** The lock token for this very moment, or null while it is not certain that the lock is held. */
  token() {
    this.core.current();
    return this.core.token();
  }
  /** Ends this use. A use of the same resource that begins within the same task takes over without losing anything. */
  close() {
    if (this.closed) return;
    this.closed = true;
    for (const off of this.offs.splice(0)) off();
    setTimeout(() => {
      if (--this.core.uses === 0) this.core.dispatch({ type: "close" });
    }, 0);
  }
};
function refusal(snapshot) {
  const { error } = snapshot;
  return error ? new EditlockError(error.code, error.message) : new EditlockError("cancelled", `${snapshot.resource} is not asked for any more.`);
}

// src/messages.ts
var en = {
  region: "Editing",
  connecting: "Connecting…",
  unreachable: "The lock server cannot be reached",
  unreachableDetail: "Trying again by itself. You can read meanwhile.",
  login: "You are not logged in any more",
  loginDetail: "Log in again in another tab, then go on here.",
  noToken: "The page could not get an access token",
  badToken: "The lock server does not accept this page’s access token",
  nameless: "The resource is missing",
  namelessDetail: "This form stays closed: the page does not say what it edits.",
  editing: "{name} is editing this",
  since: "since {time}, {ago}",
  justNow: "just now",
  next: "You are next in line",
  place: "You are {place} in line",
  reading: "You are just reading",
  oneMoment: "One moment",
  yours: "You are editing this in another tab",
  yoursDetail: "Go on there, or move the editing here.",
  free: "Nobody is editing this",
  freeDetail: "You are just reading.",
  refreshing: "It is your turn",
  refreshingDetail: "Loading the latest version…",
  turn: "You can edit now",
  turnDetail: "This is the latest version.",
  turnText: "Your unsaved text is back in the form.",
  othersOne: "You are editing. One other person is waiting.",
  others: "You are editing. {count} others are waiting.",
  unsure: "The connection is gone for the moment",
  unsureDetail: "Go on typing. Saving waits until it is back.",
  unsureOver: "It has been for so long that somebody else may have been let in meanwhile. Your text is kept; saving waits until that is known.",
  checking: "Checking that it is still yours…",
  saveLater: "Will be saved as soon as the connection is back.",
  refused: "Not saved: you are not editing this now.",
  refresh: "The latest version could not be loaded",
  refreshDetail: "So that you do not write over newer text, you were not let in.",
  forbidden: "You may read this, but not edit it",
  failed: "Editing is not possible now",
  mistake: "This cannot be edited",
  mistakeDetail: "There is a mistake in this page. Its console says more.",
  lostExpired: "You were away, and your turn is over",
  lostUnknown: "Your turn is over",
  lostMoved: "The editing has moved to another tab of yours",
  lostTaken: "The editing was taken over",
  lostForced: "An administrator ended your turn",
  lostIdle: "You paused for a long time, and your turn is over",
  lostRevoked: "You may not edit this any more",
  nowEditing: "{name} is editing now.",
  textHere: "Your text is still here.",
  draft: "What you typed before is kept",
  draftDetail: "It is not in the form now.",
  draftSeveral: "There are several texts of one field. Each press puts in the next one; none is lost.",
  draftHomeless: "Its field is not in this form any more. You can copy it.",
  copied: "Copied",
  titleTurn: "Your turn",
  doStop: "Stop waiting, just read",
  doWait: "Wait for my turn",
  doEdit: "Edit",
  doMove: "Move it here",
  doCopy: "Copy my text",
  doRestore: "Put it back",
  doDismiss: "Dismiss",
  doRetry: "Try again"
};
var de = {
  region: "Bearbeitung",
  connecting: "Verbindung wird aufgebaut …",
  unreachable: "Der Sperr-Server ist nicht erreichbar",
  unreachableDetail: "Es wird von selbst weiter versucht. Lesen geht solange.",
  login: "Sie sind nicht mehr angemeldet",
  noToken: "Die Seite hat kein Zugangs-Token bekommen",
  badToken: "Der Sperr-Server nimmt das Zugangs-Token dieser Seite nicht an",
  nameless: "Die Angabe resource fehlt",
  namelessDetail: "Dieses Formular bleibt geschlossen: Die Seite sagt nicht, was es bearbeitet.",
  loginDetail: "Melden Sie sich in einem anderen Tab wieder an, und machen Sie dann hier weiter.",
  editing: "{name} bearbeitet dies gerade",
  since: "seit {time}, {ago}",
  justNow: "gerade eben",
  next: "Sie sind als Nächstes dran",
  place: "Sie sind auf Platz {place} der Warteliste",
  reading: "Sie lesen nur",
  oneMoment: "Einen Moment",
  yours: "Sie bearbeiten dies in einem anderen Tab",
  yoursDetail: "Machen Sie dort weiter, oder holen Sie die Bearbeitung hierher.",
  free: "Niemand bearbeitet dies",
  freeDetail: "Sie lesen nur.",
  refreshing: "Sie sind dran",
  refreshingDetail: "Die neueste Fassung wird geladen …",
  turn: "Sie können jetzt bearbeiten",
  turnDetail: "Dies ist die neueste Fassung.",
  turnText: "Ihr ungespeicherter Text steht wieder im Formular.",
  othersOne: "Sie bearbeiten dies. Eine weitere Person wartet.",
  others: "Sie bearbeiten dies. {count} weitere Personen warten.",
  unsure: "Die Verbindung ist gerade unterbrochen",
  unsureOver: "Das dauert schon so lange, dass inzwischen jemand anderes dran sein kann. Ihr Text bleibt erhalten; gespeichert wird erst, wenn das geklärt ist.",
  unsureDetail: "Schreiben Sie weiter. Gespeichert wird, sobald sie wieder da ist.",
  checking: "Es wird geprüft, ob Sie noch dran sind …",
  saveLater: "Wird gespeichert, sobald die Verbindung wieder da ist.",
  refused: "Nicht gespeichert: Sie bearbeiten dies gerade nicht.",
  refresh: "Die neueste Fassung ließ sich nicht laden",
  refreshDetail: "Damit Sie nichts Neueres überschreiben, wurde die Bearbeitung nicht begonnen.",
  forbidden: "Sie dürfen dies lesen, aber nicht bearbeiten",
  failed: "Bearbeiten geht im Moment nicht",
  mistake: "Dies lässt sich nicht bearbeiten",
  mistakeDetail: "Diese Seite enthält einen Fehler. Ihre Konsole sagt mehr.",
  lostExpired: "Sie waren weg, und Ihre Zeit ist abgelaufen",
  lostUnknown: "Ihre Zeit ist abgelaufen",
  lostMoved: "Die Bearbeitung ist in einem anderen Ihrer Tabs",
  lostTaken: "Die Bearbeitung wurde übernommen",
  lostForced: "Die Bearbeitung wurde von der Verwaltung beendet",
  lostIdle: "Sie haben lange pausiert, und Ihre Zeit ist abgelaufen",
  lostRevoked: "Sie dürfen dies nicht mehr bearbeiten",
  nowEditing: "Jetzt bearbeitet es {name}.",
  textHere: "Ihr Text ist noch da.",
  draft: "Ihr früherer Text ist aufgehoben",
  draftDetail: "Er steht gerade nicht im Formular.",
  draftSeveral: "Es gibt mehrere Texte eines Feldes. Jedes Mal wird der nächste eingesetzt; keiner geht verloren.",
  draftHomeless: "Sein Feld gibt es in diesem Formular nicht mehr. Sie können ihn kopieren.",
  copied: "Kopiert",
  titleTurn: "Sie sind dran",
  doStop: "Nicht warten, nur lesen",
  doWait: "Anstellen",
  doEdit: "Bearbeiten",
  doMove: "Hierher holen",
  doCopy: "Meinen Text kopieren",
  doRestore: "Wieder einsetzen",
  doDismiss: "Verwerfen",
  doRetry: "Nochmals versuchen"
};
var languages = /* @__PURE__ */ new Map([["en", en], ["de", de]]);
function translate(language, messages) {
  const key3 = language.toLowerCase();
  languages.set(key3, { ...languages.get(key3) ?? en, ...messages });
}
function messagesFor(language) {
  const key3 = language.toLowerCase();
  return languages.get(key3) ?? languages.get(key3.split("-")[0] ?? "") ?? en;
}
function languageOf(element2) {
  const holder = element2.closest("[lang]") ?? document.documentElement;
  return holder.getAttribute("lang") || navigator.language || "en";
}
function placeText(position, language) {
  if (!language.toLowerCase().startsWith("en")) return new Intl.NumberFormat(language).format(position);
  const suffix = { one: "st", two: "nd", few: "rd" };
  const rule = new Intl.PluralRules("en", { type: "ordinal" }).select(position);
  return position + (rule in suffix ? suffix[rule] : "th");
}
function agoText(seconds, language, justNow) {
  const format = new Intl.RelativeTimeFormat(language, { numeric: "auto" });
  if (seconds < 60) return justNow;
  if (seconds < 3600) return format.format(-Math.floor(seconds / 60), "minute");
  if (seconds < 86400) return format.format(-Math.floor(seconds / 3600), "hour");
  return format.format(-Math.floor(seconds / 86400), "day");
}
function timeText(at, now, language) {
  const [then, today] = [new Date(at), new Date(now)];
  const sameDay = then.toDateString() === today.toDateString();
  return new Intl.DateTimeFormat(language, sameDay ? { timeStyle: "short" } : { dateStyle: "medium", timeStyle: "short" }).format(then);
}
function gaps(template) {
  return template.split(/(\{[a-z]+\})/).filter(Boolean).map((part) => {
    const match = /^\{([a-z]+)\}$/.exec(part);
    return match ? { text: "", value: match[1] ?? "" } : { text: part, value: null };
  });
}

// src/api.ts
var defaults = {};
var shared = /* @__PURE__ */ Symbol.for("editlock clients 1");
var clients = globalThis[shared] ??= /* @__PURE__ */ new Map();
function clientFor(configuration = {}) {
  const base = new URL(configuration.url ?? defaults.url ?? "/editlock", document.baseURI).href.replace(/\/+$/, "");
  let client = clients.get(base);
  if (!client) {
    const forced = [configuration.transport, defaults.transport].find((way) => way && way !== "auto");
    client = new Client(base, configuration.auth ?? defaults.auth ?? `${base}/token`, forced ?? null);
    clients.set(base, client);
  }
  return client;
}
function open(resource, options = {}) {
  const client = clientFor();
  return new Lock(client.core(resource), client, options);
}
async function request(resource, first, second) {
  const options = typeof first === "function" ? {} : first;
  const callback = typeof first === "function" ? first : second;
  if (!callback) throw new TypeError("editlock.request needs a callback");
  const { ifAvailable = false, signal, refresh } = options;
  const lock = open(resource, { start: "manual", ...refresh ? { refresh } : {} });
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
function watch(prefix, listener, options = {}) {
  const client = clientFor();
  const stop = client.prefixes.watch(prefix, listener);
  client.use();
  options.signal?.addEventListener("abort", stop, { once: true });
  return stop;
}
function query(prefix = "") {
  const client = clientFor();
  return new Promise((resolve, reject) => {
    const stop = client.prefixes.watch(prefix, (entries) => {
      stop();
      const all = [...entries.values()];
      resolve({ held: all.filter((entry2) => entry2.state === "held"), pending: all.filter((entry2) => entry2.waiting > 0) });
    }, (error) => {
      stop();
      reject(error);
    });
    client.use();
  });
}
var editlock = {
  /** Sets the server and where access tokens come from. Call it before the first use. */
  configure(configuration) {
    defaults = { ...defaults, ...configuration };
  },
  open,
  request,
  query,
  watch,
  /** Adds or changes the texts of a language. */
  translate: (language, messages) => translate(language, messages)
};

// src/application.ts
async function askApplication(element2, version, grant) {
  const promises = [];
  const waitUntil = (promise) => void promises.push(promise);
  const detail = Object.freeze({ version, ...grant, waitUntil });
  element2.dispatchEvent(new CustomEvent("edit-lock-refresh", { detail, bubbles: true, composed: true }));
  await Promise.all(promises);
  await drawn();
}
function drawn() {
  return new Promise((resolve) => {
    const late = setTimeout(resolve, 100);
    requestAnimationFrame(() => {
      clearTimeout(late);
      setTimeout(resolve, 0);
    });
  });
}

// src/attention.ts
var calling = false;
function callBack(text2) {
  if (calling || document.visibilityState !== "hidden") return;
  calling = true;
  const title = document.title;
  const shown = title ? `● ${text2} – ${title}` : `● ${text2}`;
  document.title = shown;
  const icon = icons();
  const ours = document.createElement("link");
  ours.rel = "icon";
  ours.href = dot;
  ours.dataset["editLock"] = "turn";
  for (const link of icon) link.rel = "editlock-icon";
  document.head.append(ours);
  const seen = () => {
    if (document.visibilityState !== "visible") return;
    document.removeEventListener("visibilitychange", seen);
    calling = false;
    if (document.title === shown) document.title = title;
    ours.remove();
    for (const link of icon) link.rel = link.dataset["editLockRel"] ?? "icon";
  };
  document.addEventListener("visibilitychange", seen);
}
function icons() {
  const links = [...document.querySelectorAll('link[rel~="icon"]')];
  for (const link of links) link.dataset["editLockRel"] = link.rel;
  return links;
}
var dot = "data:image/svg+xml," + encodeURIComponent(
  '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 32 32"><rect width="32" height="32" rx="8" fill="#15803d"/><path d="M9 17l5 5 9-11" fill="none" stroke="#fff" stroke-width="3.6" stroke-linecap="round" stroke-linejoin="round"/></svg>'
);

// src/bar.ts
var paths = {
  person: "",
  clock: "M12 7v5l3 2M12 21a9 9 0 1 0 0-18 9 9 0 0 0 0 18Z",
  pencil: "m4 20 1-5L16 4l4 4L9 19l-5 1ZM14 6l4 4",
  plug: "M4 4l16 16M9 3v4m6-4v4m2 3v1c0 .8-.2 1.5-.5 2.200M7 9v2a5 5 0 0 0 7 4.600M12 16v5",
  alert: "M12 9v4m0 3.500v.01M10.3 4 2.6 17.500A2 2 0 0 0 4.3 20.500h15.400a2 2 0 0 0 1.7-3L13.7 4a2 2 0 0 0-3.4 0Z",
  check: "m5 13 4.5 4.500L19 7",
  tabs: "M8 8V5a1 1 0 0 1 1-1h10a1 1 0 0 1 1 1v10a1 1 0 0 1-1 1h-3M5 8h10a1 1 0 0 1 1 1v10a1 1 0 0 1-1 1H5a1 1 0 0 1-1-1V9a1 1 0 0 1 1-1Z",
  page: "M7 3h7l5 5v12a1 1 0 0 1-1 1H7a1 1 0 0 1-1-1V4a1 1 0 0 1 1-1Zm7 0v5h5M9 13h6m-6 4h4"
};
var labels = {
  stop: "doStop",
  wait: "doWait",
  edit: "doEdit",
  move: "doMove",
  copy: "doCopy",
  restore: "doRestore",
  dismiss: "doDismiss",
  retry: "doRetry"
};
var loud = ["wait", "edit", "move", "restore", "retry"];
var Bar = class {
  constructor(act) {
    this.act = act;
    const text2 = element("div", "text", "text");
    text2.append(this.title, this.detail);
    this.icon.setAttribute("aria-hidden", "true");
    this.card.setAttribute("role", "group");
    this.card.tabIndex = -1;
    const row = element("div", "row", "row");
    row.append(this.icon, text2, this.actions);
    this.card.append(row);
    const clip = element("div", "clip", "clip");
    clip.append(this.card);
    this.root.append(clip);
  }
  act;
  /** Opens and closes around the card, so that the page below does not jump. */
  root = element("div", "drawer", "drawer");
  card = element("div", "bar", "bar");
  icon = element("span", "icon", "icon");
  title = element("p", "title", "title");
  detail = element("p", "detail", "detail");
  actions = element("div", "actions", "actions");
  shown = null;
  drawn = "";
  show(notice2, values) {
    this.root.toggleAttribute("data-open", notice2 !== null);
    this.shown = notice2;
    this.card.setAttribute("aria-label", values.messages.region);
    if (!notice2) return;
    this.card.dataset["tone"] = notice2.tone;
    this.fill(notice2, values);
    this.buttons(notice2, values);
  }
  /** Draws the eye to the notice, which says why something was not done. */
  nudge() {
    if (matchMedia("(prefers-reduced-motion: reduce)").matches) return;
    this.card.animate({ translate: ["0", "6px", "-5px", "3px", "0"] }, { duration: 320, easing: "ease-out" });
  }
  /** Brings the times up to date. */
  tick(values) {
    if (this.shown) this.fill(this.shown, values);
  }
  /** The notice as one sentence, for the live region. */
  static text(notice2, values) {
    const keys = [notice2.title, ...notice2.details].filter((key3) => key3 !== "since");
    const texts = keys.map((key3) => plain(values.messages[key3], values));
    return [...texts, notice2.extra ?? ""].filter(Boolean).join(". ").replace(/([.…!?])\. /g, "$1 ");
  }
  fill(notice2, values) {
    this.title.replaceChildren(...nodes(values.messages[notice2.title], values));
    const details = notice2.details.flatMap((key3, index) => {
      const part = nodes(values.messages[key3], values);
      return index ? [document.createTextNode(separator(values.messages[notice2.details[index - 1] ?? key3])), ...part] : part;
    });
    if (notice2.extra) details.push(document.createTextNode((details.length ? " " : "") + notice2.extra));
    this.detail.replaceChildren(...details);
    this.detail.hidden = details.length === 0;
    const name = values.snapshot.holder?.name ?? "";
    const drawn2 = notice2.icon + name;
    if (drawn2 === this.drawn) return;
    this.drawn = drawn2;
    this.icon.replaceChildren(notice2.icon === "person" ? initials(name) : drawing(paths[notice2.icon]));
    this.icon.dataset["icon"] = notice2.icon;
    this.icon.style.setProperty("--hue", String(hue(name)));
  }
  buttons(notice2, values) {
    const root = this.root.getRootNode();
    const focused = root instanceof ShadowRoot && this.actions.contains(root.activeElement) ? root.activeElement : null;
    const had = focused instanceof HTMLElement ? focused.dataset["action"] : null;
    const buttons = notice2.actions.map((action) => {
      const button = element("button", `button ${loud.includes(action) ? "loud" : "quiet"}`, `button button-${action}`);
      button.setAttribute("type", "button");
      button.dataset["action"] = action;
      button.textContent = values.messages[labels[action]];
      button.addEventListener("click", () => this.act(action));
      return button;
    });
    const keys = (list2) => [...list2].map((button) => button.textContent).join("|");
    if (keys(this.actions.children) === keys(buttons)) return;
    this.actions.replaceChildren(...buttons);
    if (had !== null) (buttons.find((button) => button.dataset["action"] === had) ?? buttons[0] ?? this.card).focus();
  }
};
function separator(before) {
  return /[.…!?]$/.test(before) ? " " : " · ";
}
function value(key3, { snapshot, language, messages, now }) {
  switch (key3) {
    case "name":
      return snapshot.holder?.name || "?";
    case "time":
      return timeText(snapshot.holder?.since ?? now, now, language);
    case "ago":
      return agoText(Math.max(0, (now - (snapshot.holder?.since ?? now)) / 1e3), language, messages.justNow);
    case "place":
      return placeText(snapshot.position ?? 0, language);
    case "count":
      return new Intl.NumberFormat(language).format(snapshot.waiting);
    default:
      return "";
  }
}
function nodes(template, values) {
  return gaps(template).map((gap) => {
    if (gap.value === null) return document.createTextNode(gap.text);
    const inserted = document.createElement(gap.value === "name" ? "bdi" : "span");
    if (gap.value === "name") inserted.setAttribute("part", "name");
    inserted.textContent = value(gap.value, values);
    return inserted;
  });
}
function plain(template, values) {
  return gaps(template).map((gap) => {
    if (gap.value === null) return gap.text;
    const inserted = value(gap.value, values);
    return gap.value === "name" ? `⁨${inserted}⁩` : inserted;
  }).join("");
}
function element(tag, className, part) {
  const made = document.createElement(tag);
  made.className = className;
  made.setAttribute("part", part);
  return made;
}
function initials(name) {
  const words = name.split(/\s+/).filter(Boolean);
  const first = [...words[0] ?? "?"][0] ?? "?";
  const last = words.length > 1 ? [...words[words.length - 1] ?? ""][0] ?? "" : "";
  return document.createTextNode((first + last).toLocaleUpperCase());
}
function drawing(path) {
  const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  svg.setAttribute("viewBox", "0 0 24 24");
  const line2 = document.createElementNS("http://www.w3.org/2000/svg", "path");
  line2.setAttribute("d", path);
  svg.append(line2);
  return svg;
}
function hue(name) {
  let sum = 0;
  for (const character of name) sum = (sum * 31 + (character.codePointAt(0) ?? 0)) % 3600;
  return sum % 360;
}

// src/choice.ts
var warned = /* @__PURE__ */ new Set();
function choice(element2, name, allowed) {
  const value2 = element2.getAttribute(name) ?? "";
  const found = allowed.find((one) => one === value2);
  if (value2 && !found && !warned.has(name + value2)) {
    warned.add(name + value2);
    console.warn(`editlock: <edit-lock ${name}="${value2}"> is taken as ${allowed[0]}. Allowed are ${allowed.join(", ")}.`);
  }
  return found ?? allowed[0];
}

// src/focus.ts
var FocusKeeper = class {
  constructor(host) {
    this.host = host;
  }
  host;
  spot = null;
  /** Notes where the focus is, before it is taken away. */
  note() {
    const active = document.activeElement;
    if (!(active instanceof HTMLElement) || active === this.host || !this.host.contains(active)) return;
    const caret = hasCaret(active) ? active : null;
    this.spot = {
      element: active,
      name: active.getAttribute("name") ?? active.id,
      start: caret?.selectionStart ?? null,
      end: caret?.selectionEnd ?? null
    };
  }
  /** Gives the focus back, unless the person has gone elsewhere meanwhile. */
  giveBack() {
    const spot = this.spot;
    this.spot = null;
    if (document.activeElement && document.activeElement !== document.body) return;
    if (!spot) {
      this.host.querySelector("[autofocus]")?.focus({ preventScroll: true });
      return;
    }
    const again2 = spot.element.isConnected ? spot.element : this.named(spot.name);
    again2?.focus({ preventScroll: true });
    if (again2 && hasCaret(again2) && spot.start !== null) again2.setSelectionRange(spot.start, spot.end);
  }
  /** Keeps the focus over a change of the content. */
  during(change) {
    const before = this.spot;
    this.note();
    change();
    const inside = this.spot !== before;
    if (inside) this.giveBack();
  }
  named(name) {
    if (!name) return null;
    return [...this.host.querySelectorAll("[name], [id]")].find((element2) => element2.getAttribute("name") === name || element2.id === name) ?? null;
  }
};
function hasCaret(element2) {
  if (element2 instanceof HTMLTextAreaElement) return true;
  return element2 instanceof HTMLInputElement && /^(text|search|url|tel|password)$/.test(element2.type);
}

// src/guard.ts
var guarded = /* @__PURE__ */ new Set();
var listening = false;
function protect(element2) {
  guarded.add(element2);
  if (listening) return;
  listening = true;
  window.addEventListener("submit", onSubmit, true);
  window.addEventListener("submit", onSubmitted, false);
  window.addEventListener("formdata", onFormData, true);
  window.addEventListener("keydown", onKey, true);
  for (const type of ["beforeinput", "click", "pointerdown", "mousedown", "keydown", "paste", "drop"]) {
    window.addEventListener(type, onOutside, { capture: true, passive: false });
  }
  window.addEventListener("turbo:submit-end", onDone);
  window.addEventListener("htmx:afterRequest", onDone);
}
function unprotect(element2) {
  guarded.delete(element2);
}
function ofForm(form) {
  if (!form) return null;
  for (const element2 of guarded) {
    if (element2.contains(form) || form.contains(element2)) return element2;
  }
  for (const element2 of guarded) {
    for (const control of form.elements) if (element2.contains(control)) return element2;
  }
  return null;
}
function onSubmit(event) {
  if (!(event instanceof SubmitEvent) || !(event.target instanceof HTMLFormElement)) return;
  const element2 = ofForm(event.target);
  if (!element2 || event.submitter?.hasAttribute("data-edit-lock-free")) return;
  const permit = element2.permit();
  if (permit === "go") return element2.saving(event.submitter);
  event.preventDefault();
  event.stopImmediatePropagation();
  if (permit === "later") element2.saveLater(event.target, event.submitter);
  else element2.refuseSave();
}
var inUrl = /* @__PURE__ */ new WeakSet();
function onSubmitted(event) {
  if (!(event instanceof SubmitEvent) || !(event.target instanceof HTMLFormElement) || event.defaultPrevented) return;
  const form = event.target;
  ofForm(form)?.submitted();
  const method = event.submitter?.getAttribute("formmethod") ?? form.getAttribute("method") ?? "get";
  if (method.toLowerCase() !== "get") return;
  inUrl.add(form);
  setTimeout(() => inUrl.delete(form), 0);
}
function onFormData(event) {
  if (!(event.target instanceof HTMLFormElement) || inUrl.has(event.target)) return;
  const token = ofForm(event.target)?.token();
  if (token) event.formData.set("lock_token", token);
}
function onKey(event) {
  if (!(event.ctrlKey || event.metaKey) || event.altKey || event.key.toLowerCase() !== "s") return;
  const target = event.target instanceof Node ? event.target : null;
  const inside = [...guarded].filter((element2) => element2.contains(target));
  const asked = inside.length ? inside : [...guarded];
  if (asked.length === 0 || asked.some((element2) => element2.permit() === "go")) return;
  event.preventDefault();
  event.stopImmediatePropagation();
  asked[0]?.refuseSave();
}
var harmless = /^(Tab|Escape|Arrow|Home|End|Page|Shift|Control|Alt|Meta|F\d)/;
function onOutside(event) {
  const target = event.target;
  if (!(target instanceof Element)) return;
  const control = target.closest("input, textarea, select, button");
  const form = control && "form" in control ? control.form : null;
  if (!form || !control) return;
  const element2 = ofForm(form);
  if (!element2 || element2.open || element2.contains(control) || control.hasAttribute("data-edit-lock-free")) return;
  if (event instanceof KeyboardEvent && (harmless.test(event.key) || event.ctrlKey || event.metaKey)) return;
  const submits = control instanceof HTMLButtonElement || control instanceof HTMLInputElement && control.type === "submit";
  if ((event.type === "pointerdown" || event.type === "mousedown") && !(control instanceof HTMLSelectElement)) return;
  if (event instanceof KeyboardEvent && submits) return;
  event.preventDefault();
  if (event.type !== "click" || !submits) return;
  event.stopImmediatePropagation();
  element2.refuseSave();
}
function onDone(event) {
  const detail = event instanceof CustomEvent ? event.detail : null;
  if (typeof detail !== "object" || detail === null || !(event.target instanceof Element)) return;
  const { success, successful } = detail;
  const form = event.target instanceof HTMLFormElement ? event.target : event.target.closest("form");
  if (success === true || successful === true) ofForm(form)?.saved();
}

// src/draft.ts
var untyped = ["hidden", "password", "file", "submit", "button", "image", "reset"];
var Draft = class {
  constructor(root, signal) {
    this.root = root;
    const on = { capture: true, signal };
    root.addEventListener("focusin", (event) => this.meet(event.target), on);
    root.addEventListener("pointerdown", (event) => this.meet(event.target), on);
    root.addEventListener("beforeinput", (event) => this.begin(event), on);
    for (const type of ["input", "change"]) root.addEventListener(type, (event) => this.touch(event), on);
  }
  root;
  before = /* @__PURE__ */ new WeakMap();
  notes = /* @__PURE__ */ new Map();
  /** The application is loading: what it writes into the fields, and tells of, is no typing. */
  loading = false;
  /** Fields that differ from what was there before the first touch. */
  typed() {
    const all = [];
    for (const [field, note] of this.notes) {
      if (!this.root.contains(field)) continue;
      const before = this.before.get(field) ?? "";
      const { run } = note;
      const value2 = isField(field) || field.isConnected ? valueOf(field) : note.value;
      if (value2 !== before) all.push({ ...place(this.root, field), label: labelOf(field), before, value: value2, run });
    }
    return all;
  }
  /** The same by the person's own hand, although the fields may be gone by now or show something else. */
  written() {
    return [...this.notes].map(([field, note]) => ({ ...note, before: this.before.get(field) ?? "" })).filter(({ before, value: value2 }) => value2 !== before);
  }
  /** What is there now counts as saved. */
  forget() {
    for (const field of [...this.notes.keys()]) this.drop(field);
  }
  /** From now on the application may put other content into the fields at any moment. */
  loadBegins() {
    this.loading = true;
    for (const [field, note] of this.notes) if (this.root.contains(field)) note.value = valueOf(field);
  }
  /** Fields that show something else now are new ones. */
  loadEnds() {
    this.loading = false;
    for (const [field, note] of [...this.notes]) {
      if (!this.root.contains(field) || valueOf(field) !== note.value) this.drop(field);
    }
  }
  /** Takes the text out of fields that still show it: they are to show another record. */
  clear() {
    for (const [field, note] of this.notes) {
      if (isToggle(field) || field instanceof HTMLSelectElement || valueOf(field) !== note.value) continue;
      setValue(field, isField(field) ? defaultOf(field) : this.before.get(field) ?? "");
    }
  }
  drop(field) {
    this.notes.delete(field);
    this.before.set(field, valueOf(field));
  }
  meet(target) {
    const field = fieldOf(target);
    if (field && !this.notes.has(field)) this.before.set(field, valueOf(field));
  }
  note(field) {
    let note = this.notes.get(field);
    if (!note) {
      note = { ...place(this.root, field), label: labelOf(field), run: Math.random(), value: valueOf(field) };
      this.notes.set(field, note);
    }
    return note;
  }
  /** About to be typed into: what is there by now is what was there before. */
  begin(event) {
    const field = fieldOf(event.target);
    if (!field) return;
    const note = this.notes.get(field);
    if (!note || this.loading && note.value !== valueOf(field)) this.drop(field);
    this.note(field);
  }
  touch(event) {
    const field = fieldOf(event.target);
    if (!field || event.isTrusted && event.type === "change") return;
    if (!this.before.has(field)) this.before.set(field, defaultOf(field));
    const note = this.note(field);
    const value2 = valueOf(field);
    if (event.isTrusted) note.value = value2;
    else if (!this.loading) setTimeout(() => valueOf(field) === value2 && (note.value = value2), 0);
  }
  put(field, value2) {
    if (!this.notes.delete(field)) this.before.set(field, valueOf(field));
    setValue(field, value2);
    this.note(field).value = value2;
    field.dispatchEvent(new Event("input", { bubbles: true }));
    field.dispatchEvent(new Event("change", { bubbles: true }));
  }
  /** Puts text back where nobody changed anything meanwhile; returns what is in no field then. */
  restore(typed) {
    return typed.filter((entry2) => {
      const field = fit(this.root, entry2);
      if (!field) return true;
      if (valueOf(field) !== entry2.before) return valueOf(field) !== entry2.value;
      if (valueOf(field) !== entry2.value) this.put(field, entry2.value);
      return false;
    });
  }
  /** Puts the first text of each field into it, whatever is there; returns what is in no field then. */
  force(typed) {
    const done = /* @__PURE__ */ new Set();
    return typed.filter((entry2) => {
      const field = fit(this.root, entry2);
      if (!field) return true;
      if (valueOf(field) === entry2.value) return false;
      if (done.has(field)) return true;
      done.add(field);
      this.put(field, entry2.value);
      return false;
    });
  }
  /** Whether there is a field for the text. */
  static fits(root, entry2) {
    return fit(root, entry2) !== null;
  }
  /** What of the text is not in its field. */
  static missing(root, typed) {
    return typed.filter((entry2) => {
      const field = find(root, entry2);
      return !field || valueOf(field) !== entry2.value;
    });
  }
  /** Whether the text came with the page, and was not typed or put into its field afterwards. */
  static served(root, entry2) {
    const field = find(root, entry2);
    return field !== null && defaultOf(field) === entry2.value;
  }
  static text(typed) {
    const only = typed.length === 1;
    return typed.map((entry2) => only || !entry2.label ? entry2.value : `${entry2.label}:
${entry2.value}`).join("\n\n");
  }
};
function fieldOf(target) {
  if (isField(target)) return untyped.includes(target.type) ? null : target;
  return target instanceof HTMLElement && target.isContentEditable ? target.closest("[contenteditable]") : null;
}
function isField(target) {
  return target instanceof HTMLInputElement || target instanceof HTMLTextAreaElement || target instanceof HTMLSelectElement;
}
function isToggle(field) {
  return field instanceof HTMLInputElement && (field.type === "checkbox" || field.type === "radio");
}
function valueOf(field) {
  if (isToggle(field)) return field.checked ? "✓" : "";
  if (field instanceof HTMLSelectElement) return [...field.selectedOptions].map((option) => option.value).join("\n");
  return isField(field) ? field.value : field.innerText;
}
function defaultOf(field) {
  if (isToggle(field)) return field.defaultChecked ? "✓" : "";
  if (field instanceof HTMLSelectElement) {
    return [...field.options].filter((option) => option.defaultSelected).map((option) => option.value).join("\n");
  }
  const typed = field instanceof HTMLInputElement || field instanceof HTMLTextAreaElement;
  return typed ? field.defaultValue : field.innerText;
}
function setValue(field, value2) {
  if (isToggle(field)) field.checked = value2 !== "";
  else if (field instanceof HTMLSelectElement) {
    const values = value2.split("\n");
    for (const option of field.options) option.selected = values.includes(option.value);
  } else if (isField(field)) {
    const own = field instanceof HTMLInputElement ? HTMLInputElement.prototype : HTMLTextAreaElement.prototype;
    Object.getOwnPropertyDescriptor(own, "value")?.set?.call(field, value2);
  } else field.innerText = value2;
}
function nameOf(field) {
  return field.getAttribute("name") || field.id || field.getAttribute("data-name") || field.localName;
}
function sameName(root, name) {
  return [...root.querySelectorAll("input, textarea, select, [contenteditable]")].filter((field) => nameOf(field) === name);
}
function place(root, field) {
  const name = nameOf(field);
  return { name, index: sameName(root, name).indexOf(field) };
}
function find(root, { name, index }) {
  return sameName(root, name)[index] ?? null;
}
function fit(root, entry2) {
  const field = find(root, entry2);
  if (!(field instanceof HTMLSelectElement)) return field;
  const choices = [...field.options].map((option) => option.value);
  return entry2.value.split("\n").every((choice2) => choices.includes(choice2)) || !entry2.value ? field : null;
}
function labelOf(field) {
  const label = isField(field) ? field.labels?.[0]?.textContent : null;
  return (label ?? field.getAttribute("aria-label") ?? nameOf(field)).trim();
}

// src/page.ts
var patience2 = 8e3;
var StaleError = class extends Error {
  name = "StaleError";
};
async function fetchFresh(url, tag, resource, version, grant) {
  const began = Date.now();
  for (let attempt = 0; ; attempt++) {
    const last = Date.now() - began > patience2;
    try {
      const fresh2 = await fetchOnce(url, tag, resource, grant);
      const newEnough = version === null || fresh2.version === null ? "yes" : atLeast(fresh2.version, version);
      if (newEnough === "yes" || last && newEnough === "unknown") return fresh2;
      if (last) throw new StaleError(`The page still shows version ${fresh2.version}, but ${version} was saved.`);
    } catch (error) {
      if (last || grant.signal.aborted || error instanceof StaleError) throw error;
    }
    await pause(Math.min(2e3, 150 * 2 ** attempt), grant.signal);
  }
}
async function fetchOnce(url, tag, resource, grant) {
  const answer2 = await fetch(url, {
    cache: "no-store",
    credentials: "same-origin",
    signal: grant.signal,
    headers: { Accept: "text/html", ...grant.headers }
  });
  if (!answer2.ok) throw new Error(`This page answered ${answer2.status} when it was loaded again.`);
  const page = parse(await answer2.text());
  const content = [...page.querySelectorAll(tag)].find((element2) => element2.getAttribute("resource") === resource);
  if (!content) throw new StaleError("This page does not show the form any more. Are you still logged in?");
  return { content, version: content.getAttribute("version") };
}
var policy = null;
function parse(html) {
  const { trustedTypes } = globalThis;
  policy ??= trustedTypes?.createPolicy("editlock", { createHTML: (text2) => text2 }) ?? null;
  return new DOMParser().parseFromString(policy ? policy.createHTML(html) : html, "text/html");
}
function atLeast(shown, wanted) {
  if (shown === wanted) return "yes";
  if (/^\d+$/.test(shown) && /^\d+$/.test(wanted)) return BigInt(shown) >= BigInt(wanted) ? "yes" : "no";
  const time = /^\d{4}-\d\d-\d\dT\d\d:\d\d/;
  if (time.test(shown) && time.test(wanted)) return Date.parse(shown) >= Date.parse(wanted) ? "yes" : "no";
  return "unknown";
}
function pause(milliseconds, signal) {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(resolve, milliseconds);
    signal.addEventListener("abort", () => {
      clearTimeout(timer);
      reject(signal.reason);
    }, { once: true });
  });
}
function sameContent(a, b) {
  return comparable(a) === comparable(b);
}
function comparable(element2) {
  const copy = element2.cloneNode(true);
  for (const hidden of copy.querySelectorAll('input[type="hidden"]')) hidden.removeAttribute("value");
  for (const script of copy.querySelectorAll("script")) script.remove();
  return copy.innerHTML.replace(/\s+/g, " ").trim();
}
function takeHidden(into, from) {
  for (const hidden of from.querySelectorAll('input[type="hidden"][name]')) {
    for (const field of into.querySelectorAll('input[type="hidden"]')) {
      if (field.name === hidden.name) field.value = hidden.value;
    }
  }
}

// src/keeper.ts
var Keeper = class {
  constructor(root, resource) {
    this.root = root;
    this.resource = resource;
    const { signal } = this.end;
    this.draft = new Draft(root, signal);
    root.addEventListener("input", () => {
      this.sent = false;
      this.typedOver = root.getAttribute("version");
    }, { capture: true, signal });
    const leaving = (event) => {
      if (root.isConnected && (event.type === "pagehide" || document.visibilityState === "hidden")) this.stash();
    };
    document.addEventListener("visibilitychange", leaving, { signal });
    window.addEventListener("pagehide", leaving, { signal });
  }
  root;
  resource;
  end = new AbortController();
  draft;
  /** The latest first; of one field there may be several. */
  kept = [];
  /** It stands in the fields as the page came, like a form that is shown again with its errors: sent, and not saved. */
  posted = [];
  /** The version of the content that the text of an earlier page was typed over. */
  over = null;
  /** The same of what was typed here; the attribute may name another one by now. */
  typedOver = null;
  /** A form with the text in it is on its way, and the next page shows what became of it. */
  sent = false;
  /** The element shows something else from now on, or nothing. */
  close() {
    this.end.abort();
  }
  /** Something was typed that is not known to be saved. */
  get dirty() {
    return this.live().length > 0;
  }
  /** Text is kept, whether or not it is in the fields too. */
  get holds() {
    return this.kept.length > 0;
  }
  /** Whether there is text that is in no field, and what can be done about it. */
  get offer() {
    const missing = Draft.missing(this.root, this.kept);
    if (!missing.length) return null;
    if (!missing.some((entry2) => Draft.fits(this.root, entry2))) return "homeless";
    const all = [...missing, ...this.live()];
    const several = missing.some((entry2) => Draft.fits(this.root, entry2) && all.some((other) => other !== entry2 && samePlace(entry2, other)));
    return several ? "several" : "one";
  }
  get text() {
    const missing = Draft.missing(this.root, this.kept);
    return Draft.text(missing.length ? missing : this.live());
  }
  /** All of it: what was kept, and what is in the fields. */
  get all() {
    return Draft.text(join(this.kept, this.live()));
  }
  /** Remembers what is typed, before it may go. */
  keep() {
    this.kept = join(this.kept, this.live());
  }
  /** While the application loads, it may put its content over the text at any moment: every keystroke is kept. */
  async during(load) {
    this.keep();
    this.draft.loadBegins();
    const noted = (event) => {
      if (event.isTrusted) this.kept = join(this.kept, this.draft.written());
    };
    this.root.addEventListener("input", noted, true);
    try {
      await load();
    } finally {
      this.root.removeEventListener("input", noted, true);
      this.draft.loadEnds();
    }
  }
  /** Puts text back, unasked only where nobody changed anything meanwhile. */
  putBack(force) {
    if (force) return this.exchange();
    const asked = this.settle(this.kept.filter((entry2) => entry2.ask));
    const rest = this.draft.restore(this.kept.filter((entry2) => !entry2.ask));
    this.kept = this.kept.filter((entry2) => asked.includes(entry2) || rest.includes(entry2));
  }
  /** Puts text back at a person's wish; what the person has typed into those fields meanwhile is kept in its place. */
  exchange() {
    const live = this.live();
    const rest = this.draft.force(this.kept);
    const gone = Draft.missing(this.root, live).map((entry2) => ({ ...entry2, ask: true }));
    this.posted = this.posted.filter((entry2) => !gone.some((other) => samePlace(entry2, other)));
    this.kept = [...rest, ...gone];
  }
  /** Of an earlier page's text, what is in no field is to be offered; what is in one may be saved by now, or not yet. */
  settle(text2) {
    const missing = Draft.missing(this.root, text2);
    const there = text2.filter((entry2) => !missing.includes(entry2));
    const version = this.root.getAttribute("version");
    const newer = version !== null && this.over !== null && version !== this.over && atLeast(version, this.over) === "yes";
    const open2 = newer && !refusedPage() ? there.filter((entry2) => !Draft.served(this.root, entry2)) : there;
    this.posted = merge(this.posted, open2.map((entry2) => ({ ...entry2, ask: false })));
    return missing;
  }
  /** What stands in the fields and is not known to be saved. */
  live() {
    return merge(this.posted.filter((entry2) => Draft.missing(this.root, [entry2]).length === 0), this.draft.typed());
  }
  /** The fields are new ones. */
  replaced() {
    this.posted = [];
    this.draft.forget();
  }
  /** What stands in the fields is saved; what is offered beside them is not. */
  saved() {
    this.kept = Draft.missing(this.root, this.kept);
    this.replaced();
    this.typedOver = null;
    this.stash();
  }
  dismiss() {
    this.kept = [];
    this.stash();
  }
  leavingWithForm() {
    this.sent = true;
  }
  /** Writes the text where it outlives the page: hidden pages are thrown away without notice. */
  stash() {
    this.store(this.live());
  }
  /** The same when the fields may show another record by now: what the person left in them counts. */
  stashWritten() {
    this.store(merge(this.posted, this.draft.written()));
  }
  /** Takes the text out of the fields, which are to show another record. */
  clear() {
    this.draft.clear();
  }
  store(text2) {
    if (!this.resource) return;
    const kept2 = this.kept.filter((entry2) => !text2.some((other) => samePlace(entry2, other) && entry2.value === other.value));
    const carried = this.kept.length > 0 || this.posted.length > 0;
    const version = (carried ? this.over : null) ?? this.typedOver ?? this.root.getAttribute("version");
    try {
      const stored = { at: Date.now(), sent: this.sent, version, text: text2, kept: kept2 };
      if (text2.length || kept2.length) sessionStorage.setItem(this.key, JSON.stringify(stored));
      else sessionStorage.removeItem(this.key);
    } catch {
    }
  }
  /** Takes up what the page before this one left. */
  recover() {
    try {
      const stored = JSON.parse(sessionStorage.getItem(this.key) ?? "null");
      if (!stored || !Array.isArray(stored.text)) return;
      this.over = typeof stored.version === "string" ? stored.version : null;
      const unsaved = this.over !== null && this.over === this.root.getAttribute("version");
      const recent = Date.now() - Number(stored.at) < refusedWithin;
      const accepted = stored.sent && (cameByRedirect() || !(unsaved || recent));
      const beside = Array.isArray(stored.kept) ? stored.kept : [];
      const ask2 = !document.wasDiscarded;
      this.kept = [...accepted ? [] : stored.text, ...beside].filter(isTyped).map((entry2) => ({ ...entry2, ask: ask2 }));
      if (accepted) this.stash();
    } catch {
      this.kept = [];
    }
  }
  get key() {
    return `editlock draft ${this.resource}`;
  }
};
var refusedWithin = 12e4;
function samePlace(a, b) {
  return a.name === b.name && a.index === b.index;
}
function join(kept2, live) {
  const same2 = (a, b) => a.run !== void 0 && a.run === b.run || samePlace(a, b) && a.value === b.value;
  return [...live, ...kept2.filter((entry2) => !live.some((other) => same2(entry2, other)))];
}
function merge(earlier, later) {
  const rest = earlier.filter((entry2) => !later.some((other) => samePlace(entry2, other)));
  return [...rest, ...later.map((entry2) => ({ ...entry2, before: earlier.find((other) => samePlace(entry2, other))?.before ?? entry2.before }))];
}
function isTyped(value2) {
  const typed = value2;
  return typeof typed?.name === "string" && typeof typed.index === "number" && typeof typed.label === "string" && typeof typed.before === "string" && typeof typed.value === "string";
}

// src/notice.ts
var lostTexts = {
  taken_over: "lostTaken",
  handed_over: "lostTaken",
  forced: "lostForced",
  idle: "lostIdle",
  revoked: "lostRevoked",
  logged_out: "login"
};
var offers = { one: "draftDetail", several: "draftSeveral", homeless: "draftHomeless" };
var slow = { connecting: 600, checking: 500, refreshing: 250 };
function notice(s, now) {
  const make = (tone, icon, title, details, actions) => ({
    tone,
    icon,
    title,
    details: now.draft ? [...details, "draft"] : details,
    actions: now.draft ? [...actions, "copy"] : actions
  });
  const others = s.holder && !s.holder.you;
  switch (s.state) {
    case "connecting":
      return now.trouble ? trouble(now) : make("calm", "clock", "connecting", [], []);
    case "watching":
      if (s.error && !others) return !s.online && now.trouble ? trouble(now) : failure(s);
      if (others && s.holder?.yours) return make("calm", "tabs", "yours", ["yoursDetail"], ["move"]);
      if (others) return make("calm", "person", "editing", ["since", "reading"], s.error?.code === "forbidden" ? [] : ["wait"]);
      if (!s.online && now.trouble) return trouble(now);
      if (now.start === "edit") return now.draft ? make("calm", "pencil", "free", [], ["edit"]) : null;
      return make("calm", "page", "free", ["freeDetail"], ["edit"]);
    case "waiting":
      if (!s.online && now.trouble) return trouble(now);
      if (others && s.holder?.yours) return make("calm", "tabs", "yours", ["yoursDetail"], ["move", "stop"]);
      if (others) return make("busy", "person", "editing", ["since", line(s)], ["stop"]);
      return make("busy", "clock", line(s), ["oneMoment"], ["stop"]);
    case "refreshing":
      return make("good", "clock", "refreshing", ["refreshingDetail"], []);
    case "held":
      if (now.draft) {
        const actions = now.draft === "homeless" ? ["copy", "dismiss"] : ["restore", "copy", "dismiss"];
        return { tone: "warn", icon: "pencil", title: "draft", details: [offers[now.draft]], actions };
      }
      if (now.arrived) return make("good", "check", "turn", [now.arrived === "typed" ? "turnText" : "turnDetail"], []);
      if (s.waiting > 0) return make("calm", "pencil", s.waiting === 1 ? "othersOne" : "others", [], []);
      return null;
    case "unsure":
      if (now.trouble?.code === "unauthenticated") return trouble(now);
      if (!s.editable) return make("calm", "clock", "checking", now.saving ? ["saveLater"] : [], []);
      return make("warn", "plug", "unsure", [now.overdue ? "unsureOver" : now.saving ? "saveLater" : "unsureDetail"], []);
    case "lost": {
      const moved = s.holder?.yours === true && (s.lost?.reason === "handed_over" || s.lost?.reason === null);
      const reason = s.lost?.reason ?? null;
      const title = moved ? "lostMoved" : reason === null ? "lostUnknown" : lostTexts[reason] ?? "lostExpired";
      const details = [];
      if (others && !s.holder?.yours) details.push("nowEditing");
      if (now.dirty) details.push("textHere");
      const actions = [moved || others && s.holder?.yours ? "move" : others ? "wait" : "edit"];
      if (now.dirty && !now.draft) actions.push("copy");
      return make("warn", moved ? "tabs" : "alert", title, details, actions);
    }
  }
}
function line(s) {
  if (s.position === null) return "oneMoment";
  return s.position === 1 ? "next" : "place";
}
var troubles = {
  unauthenticated: ["login", "loginDetail"],
  token_unavailable: ["noToken", "unreachableDetail"],
  token_refused: ["badToken", "unreachableDetail"]
};
function trouble(now) {
  const [title, detail] = troubles[now.trouble?.code ?? ""] ?? ["unreachable", "unreachableDetail"];
  return { tone: "warn", icon: "plug", title, details: [detail], actions: ["retry"] };
}
var nameless = { tone: "warn", icon: "alert", title: "nameless", details: ["namelessDetail"], actions: [] };
function failure(s) {
  const code = s.error?.code ?? "";
  if (code === "forbidden") return { tone: "calm", icon: "page", title: "forbidden", details: [], actions: [] };
  if (code === "bad_resource") return { tone: "warn", icon: "alert", title: "mistake", details: ["mistakeDetail"], actions: [] };
  const refresh = code === "refresh";
  return {
    tone: "warn",
    icon: "alert",
    title: refresh ? "refresh" : "failed",
    details: refresh ? ["refreshDetail"] : [],
    actions: ["retry"],
    extra: code === "bad_request" ? "" : s.error?.message ?? ""
  };
}

// src/styles.ts
var css = `
:host { display: block; position: relative; }
:host([hidden]) { display: none; }
.root {
  --ink: var(--edit-lock-ink, #1c2330);
  --soft: var(--edit-lock-soft-ink, #586174);
  --paper: var(--edit-lock-paper, #ffffff);
  --line: var(--edit-lock-line, #dfe3ea);
  --accent: var(--edit-lock-accent, #2f5bd8);
  --on-accent: var(--edit-lock-on-accent, #ffffff);
  --good: var(--edit-lock-good, #14763a);
  --warn: var(--edit-lock-warn, #a24b05);
  --radius: var(--edit-lock-radius, 12px);
  --shade: 0 1px 2px rgb(16 24 40 / .06), 0 6px 20px -6px rgb(16 24 40 / .14);
  --avatar-ink: hsl(var(--hue, 220) 65% 28%);
  --avatar-paper: hsl(var(--hue, 220) 75% 90%);
}
.root[data-theme="dark"] {
  --ink: var(--edit-lock-ink, #edf0f6);
  --soft: var(--edit-lock-soft-ink, #a6afc0);
  --paper: var(--edit-lock-paper, #1d222c);
  --line: var(--edit-lock-line, #363d4b);
  --accent: var(--edit-lock-accent, #9db5ff);
  --on-accent: var(--edit-lock-on-accent, #121a33);
  --good: var(--edit-lock-good, #63d78f);
  --warn: var(--edit-lock-warn, #ffb066);
  --shade: 0 1px 2px rgb(0 0 0 / .5), 0 8px 24px -6px rgb(0 0 0 / .6);
  --avatar-ink: hsl(var(--hue, 220) 85% 88%);
  --avatar-paper: hsl(var(--hue, 220) 38% 32%);
}

.drawer {
  position: sticky; inset-block-start: var(--edit-lock-top, 8px); z-index: var(--edit-lock-layer, 5);
  display: grid; grid-template-rows: 0fr; visibility: hidden; opacity: 0;
  transition: grid-template-rows .28s cubic-bezier(.2,.8,.3,1), opacity .2s, visibility 0s .28s;
}
.drawer[data-open] {
  grid-template-rows: 1fr; visibility: visible; opacity: 1;
  transition: grid-template-rows .28s cubic-bezier(.2,.8,.3,1), opacity .2s;
}
.clip { min-block-size: 0; overflow: clip; overflow-clip-margin: 28px; }
.drawer:not([data-open]) .clip { overflow-clip-margin: 0px; }

.bar {
  --tone: var(--soft);
  container-type: inline-size;
  margin-block-end: var(--edit-lock-gap, 16px);
  color: var(--ink); background: var(--paper);
  border: 1px solid var(--line); border-radius: var(--radius); box-shadow: var(--shade);
  font: var(--edit-lock-font, 400 15px/1.4 system-ui, sans-serif);
  text-align: start;
}
.bar:focus-visible { outline: 2px solid var(--accent); outline-offset: 2px; }
.bar[data-tone="busy"] { --tone: var(--accent); }
.bar[data-tone="good"] { --tone: var(--good); border-color: color-mix(in srgb, var(--good) 40%, var(--line)); }
.bar[data-tone="warn"] { --tone: var(--warn); border-color: color-mix(in srgb, var(--warn) 45%, var(--line)); }
.row { display: flex; align-items: center; gap: 12px; padding: 11px 12px 11px 14px; }

.icon {
  flex: none; inline-size: 36px; block-size: 36px; border-radius: 50%; display: grid; place-items: center;
  color: var(--tone); background: color-mix(in srgb, var(--tone) 13%, transparent);
  font-weight: 650; font-size: 14px; letter-spacing: .01em; position: relative;
}
.icon[data-icon="person"] { color: var(--avatar-ink); background: var(--avatar-paper); }
.icon[data-icon="person"]::after {
  content: ""; position: absolute; inset-block-end: -1px; inset-inline-end: -1px; inline-size: 11px; block-size: 11px;
  box-sizing: border-box; border-radius: 50%; background: var(--edit-lock-present, #2fa35c); border: 2px solid var(--paper);
}
.icon svg { inline-size: 20px; block-size: 20px; fill: none; stroke: currentColor; stroke-width: 1.8; stroke-linecap: round; stroke-linejoin: round; }
.text { flex: 1; min-inline-size: 0; text-align: -webkit-match-parent; text-align: match-parent; }
.title, .detail { margin: 0; overflow-wrap: anywhere; text-wrap: pretty; unicode-bidi: plaintext; }
.title { font-weight: 620; }
.detail { color: var(--soft); font-size: .9em; margin-block-start: 1px; }
.detail span { font-variant-numeric: tabular-nums; }
.bar[data-tone="good"] .title { color: var(--good); }

.actions { display: flex; flex-wrap: wrap; gap: 8px; flex: none; justify-content: end; max-inline-size: 62%; }
.actions:empty { display: none; }
.button {
  font: inherit; font-size: .9em; font-weight: 560; line-height: 1.25; padding: 7px 13px; min-block-size: 36px;
  border-radius: calc(var(--radius) * .67); border: 1px solid var(--line); color: var(--ink); background: transparent;
  cursor: pointer; transition: background-color .12s, border-color .12s, filter .12s;
}
.button:hover { background: color-mix(in srgb, var(--ink) 6%, transparent); }
.button:active { background: color-mix(in srgb, var(--ink) 11%, transparent); }
.button.loud { color: var(--on-accent); background: var(--accent); border-color: var(--accent); }
.button.loud:hover { filter: brightness(1.08); }
.button.loud:active { filter: brightness(.95); }
.button:focus-visible { outline: 2px solid var(--accent); outline-offset: 2px; }

@container (max-width: 540px) {
  .row { flex-wrap: wrap; align-items: start; }
  .text { min-inline-size: 60%; }
  .actions { flex: 1 0 100%; box-sizing: border-box; max-inline-size: none; padding-inline-start: 48px; justify-content: start; }
}
@container (max-width: 360px) {
  .actions { padding-inline-start: 0; }
  .button { flex: 1 1 auto; }
}
@media (pointer: coarse) { .button { min-block-size: 44px; } }

.content { transition: opacity .25s; }
.content[inert] { opacity: var(--edit-lock-dim, .6); cursor: default; }
.content[data-dim="not"] { opacity: 1; }
.content[data-dim="less"] { opacity: max(.75, var(--edit-lock-dim, .6)); }
.live { position: absolute; inline-size: 1px; block-size: 1px; margin: -1px; overflow: hidden; clip-path: inset(50%); white-space: nowrap; }

@media (prefers-reduced-motion: reduce) { .drawer, .drawer[data-open], .content, .button { transition: none; } }
@media (forced-colors: active) {
  .icon { border: 1px solid; } .content[inert] { opacity: 1; color: GrayText; }
}
@media print { .drawer { display: none; } .content[inert] { opacity: 1; } }
`;
var sheet = null;
function dress(root) {
  if (!sheet) {
    sheet = new CSSStyleSheet();
    sheet.replaceSync(css);
  }
  root.adoptedStyleSheets = [sheet];
}
function onDark(element2) {
  for (let at = element2; at; at = at.parentElement ?? hostOf(at)) {
    const colour = getComputedStyle(at).backgroundColor;
    const scale = colour.startsWith("rgb") ? 1 : colour.startsWith("color(srgb") ? 255 : 0;
    const [red = 0, green = 0, blue = 0, alpha = 1] = (colour.match(/[\d.]+/g) ?? []).map((part, index) => Number(part) * (index < 3 ? scale : 1));
    if (scale && alpha > 0.5) return red * 0.299 + green * 0.587 + blue * 0.114 < 110;
  }
  return matchMedia("(prefers-color-scheme: dark)").matches && getComputedStyle(document.documentElement).colorScheme.includes("dark");
}
function hostOf(element2) {
  const root = element2.getRootNode();
  return root instanceof ShadowRoot ? root.host : null;
}

// src/shell.ts
var Base = globalThis.HTMLElement ?? class {
};
function build(host, bar) {
  const shadow = host.attachShadow({ mode: "open" });
  dress(shadow);
  const box = document.createElement("div");
  box.className = "root";
  box.setAttribute("part", "root");
  const content = document.createElement("div");
  content.className = "content";
  content.setAttribute("part", "content");
  content.inert = true;
  content.append(document.createElement("slot"));
  const live = document.createElement("div");
  live.className = "live";
  live.setAttribute("role", "status");
  live.setAttribute("aria-live", "polite");
  box.append(bar, content, live);
  shadow.append(box);
  return { box, content, live };
}

// src/element.ts
var arrivedFor = 6e3;
var EditLockElement = class extends Base {
  static observedAttributes = ["resource", "lang", "dir", "theme", "version"];
  bar = new Bar((action) => void this.perform(action));
  shell = build(this, this.bar.root);
  keeper = new Keeper(this, "");
  focusKeeper = new FocusKeeper(this);
  client = null;
  core = null;
  handle = null;
  /** The resource whose content the fields were made for. */
  named = null;
  /** They still show another one: closed until this one's content is loaded. */
  foreign = false;
  shown = null;
  source = null;
  arrived = null;
  /** The first keystroke has asked for the lock, and typing goes on until somebody else turns out to hold it. */
  eager = false;
  waited = false;
  pending = null;
  done = false;
  /** The save that led here was the last: what the session still holds is to be released. */
  closing = false;
  said = "";
  saidTitle = "";
  ticking = 0;
  delayed = 0;
  leaving = 0;
  complaining = 0;
  constructor() {
    super();
    const typed = (event) => void (event.isTrusted && event.type === "change" || this.typed());
    for (const type of ["beforeinput", "input", "change"]) this.addEventListener(type, typed, true);
  }
  /** The lock behind the element: the same object that `editlock.open` gives to scripts. Null while not in a page. */
  get lock() {
    return this.handle;
  }
  get resource() {
    return this.getAttribute("resource") ?? "";
  }
  get start() {
    return choice(this, "start", ["open", "edit", "manual"]);
  }
  connectedCallback() {
    clearTimeout(this.leaving);
    protect(this);
    if (this.handle && this.named !== this.resource) this.tearDown();
    if (!this.handle) this.setUp();
    this.render();
  }
  disconnectedCallback() {
    this.keeper.stash();
    this.leaving = window.setTimeout(() => this.isConnected || this.tearDown(), 0);
  }
  attributeChangedCallback(name, before, now) {
    if (before === now || !this.isConnected) return;
    if (name === "resource") {
      this.tearDown();
      protect(this);
      this.setUp();
    }
    this.render();
  }
  setUp() {
    clearTimeout(this.complaining);
    if (!this.resource.trim()) return void (this.complaining = window.setTimeout(() => this.complain(), 0));
    const url = this.getAttribute("server-url");
    const auth = this.getAttribute("auth-url");
    const other = this.named !== null && this.named !== this.resource;
    if (other) this.keeper.clear();
    this.keeper = new Keeper(this, this.resource);
    const transport = choice(this, "transport", ["auto", "websocket", "stream", "poll"]);
    this.client = clientFor({ ...url ? { url } : {}, ...auth ? { auth: new URL(auth, document.baseURI).href } : {}, transport });
    const refresh = choice(this, "refresh", ["page", "event", "none"]);
    this.foreign = refresh !== "none" && (other || this.foreign);
    this.named = this.resource;
    this.closing = takeDone(this.resource) && cameByRedirect();
    this.core = this.client.core(this.resource);
    this.handle = new Lock(this.core, this.client, {
      start: this.closing ? "manual" : this.start,
      ...refresh === "none" ? {} : { refresh: (version, grant) => this.refresh(refresh, version, grant) }
    });
    this.handle.subscribe((snapshot) => this.changed(snapshot));
    this.client.troubles.add(this.renderSoon);
    this.ticking = window.setInterval(() => this.tick(), 1e4);
    this.remember();
    this.keeper.recover();
    const { handle } = this;
    if (handle.snapshot.state === "held") queueMicrotask(() => this.handle === handle && this.entered("connecting"));
  }
  /** Scripts may name the resource a moment after they put the element in. */
  complain() {
    if (this.isConnected && !this.handle) console.error("editlock: <edit-lock> needs the attribute resource, such as article/42. Its form stays closed.", this);
  }
  tearDown() {
    unprotect(this);
    clearInterval(this.ticking);
    clearTimeout(this.delayed);
    if (this.handle && this.named !== this.resource) this.keeper.stashWritten();
    this.keeper.close();
    this.client?.troubles.delete(this.renderSoon);
    this.handle?.close();
    this.handle = this.core = this.client = this.shown = this.source = this.pending = this.arrived = null;
    this.eager = this.done = false;
  }
  /** Remembers how the content came from the server, to see later whether fresh content differs. */
  remember() {
    const keep = () => {
      this.source ??= this.cloneNode(true);
    };
    if (document.readyState === "loading") document.addEventListener("DOMContentLoaded", keep, { once: true });
    else queueMicrotask(keep);
  }
  // What happens.
  changed(snapshot) {
    const before = this.shown?.state ?? "connecting";
    const now = snapshot.state;
    this.shown = snapshot;
    if (now === "waiting" && this.eager) {
      this.eager = false;
      this.keeper.keep();
      this.pending = null;
    }
    if (now === "watching" || now === "lost") this.eager = false;
    if (now === "lost" && before !== "lost") {
      this.keeper.keep();
      if (mayReclaim(snapshot)) queueMicrotask(() => this.handle?.acquire({ wait: false }));
    }
    if (now === "held" && before !== "held") this.entered(before);
    if (this.closing && now !== "connecting") {
      this.closing = false;
      void this.handle?.release();
    }
    if (now === "lost" || now === "waiting" || now === "watching" && !this.eager) this.pending = null;
    this.render();
    if (before !== now) {
      this.dispatchEvent(new CustomEvent("edit-lock-change", { detail: snapshot, bubbles: true, composed: true }));
    }
  }
  entered(before) {
    const { handle } = this;
    if (this.foreign) return queueMicrotask(() => this.foreign && this.handle === handle && this.core?.dispatch({ type: "reload" }));
    this.eager = false;
    if (before !== "unsure") this.keeper.putBack(false);
    if (before === "refreshing" && this.waited) {
      this.arrived = this.keeper.dirty ? "typed" : "fresh";
      setTimeout(() => {
        this.arrived = null;
        this.render();
      }, arrivedFor);
      callBack(this.messages.titleTurn);
    }
    this.waited = false;
    const save = this.pending;
    this.pending = null;
    if (save?.form.isConnected) setTimeout(() => this.handle === handle && save.form.requestSubmit(save.submitter), 0);
    this.render();
  }
  typed() {
    if (this.keeper.holds) this.render();
    if (this.start !== "edit" || this.eager || !this.handle) return;
    const { state } = this.handle.snapshot;
    if (state !== "watching" && state !== "connecting") return;
    this.eager = true;
    this.handle.acquire();
  }
  // Fresh content.
  async refresh(how, version, grant) {
    const { named } = this;
    const stillHere = () => {
      if (this.named !== named || this.resource !== named) throw new Error("The form shows another record by now.");
    };
    if (how === "event") {
      await this.keeper.during(() => askApplication(this, version, grant));
      stillHere();
    } else {
      const url = this.getAttribute("refresh-url") ?? location.href;
      const fresh2 = await fetchFresh(url, this.localName, this.resource, version, grant);
      stillHere();
      this.keeper.keep();
      this.focusKeeper.during(() => {
        this.replace(fresh2.content);
        if (fresh2.version !== null) this.setAttribute("version", fresh2.version);
        this.keeper.putBack(false);
      });
    }
    this.foreign = false;
    this.keeper.putBack(false);
  }
  replace(fresh2) {
    const source = this.source;
    this.source = fresh2.cloneNode(true);
    if (source && !this.foreign && sameContent(source, fresh2)) {
      takeHidden(this, fresh2);
      return;
    }
    this.replaceChildren(...document.importNode(fresh2, true).childNodes);
    this.keeper.replaced();
    this.dispatchEvent(new CustomEvent("edit-lock-refreshed", { bubbles: true, composed: true }));
  }
  // Saves. See guard.ts for when these are called.
  get open() {
    return !this.shell.content.inert;
  }
  permit() {
    if (!this.handle || this.foreign) return "refuse";
    const { state } = this.handle.snapshot;
    if (state === "held") return this.handle.token() ? "go" : "later";
    if (state === "unsure" || this.eager) return "later";
    return this.start === "edit" && this.open ? "later" : "refuse";
  }
  token() {
    return this.foreign ? null : this.handle?.token() ?? null;
  }
  saveLater(form, submitter) {
    this.pending = { form, submitter };
    this.typed();
    this.render();
    const lock = this.handle;
    if (lock?.snapshot.state === "held") void lock.headers().then(() => this.handle === lock && this.entered("unsure"), () => void 0);
  }
  refuseSave() {
    this.say(this.permit() === "later" ? this.messages.unsureDetail : this.messages.refused);
    this.bar.nudge();
  }
  saving(submitter) {
    this.done = submitter?.hasAttribute("data-edit-lock-done") ?? false;
  }
  submitted() {
    this.keeper.leavingWithForm();
    if (this.done) markDone(this.resource);
  }
  /**
   * To be called after a save that did not leave the page. What is there counts as saved; after a button with
   * `data-edit-lock-done`, or with `done`, the lock is released. `version` names what was saved.
   */
  saved(options = {}) {
    this.keeper.saved();
    const { version } = options;
    if (version !== void 0) this.setAttribute("version", version);
    if (options.done ?? this.done) void this.handle?.release(version === void 0 ? {} : { version });
    else if (version !== void 0 && this.shown?.state === "held") void this.handle?.changed(version).catch(() => void 0);
    this.done = false;
    this.render();
  }
  async perform(action) {
    const lock = this.handle;
    if (!lock) return;
    switch (action) {
      case "stop":
        return lock.cancel();
      case "wait":
      case "edit":
      case "retry":
        return lock.acquire();
      case "move":
        return lock.acquire({ move: true });
      case "copy":
        await navigator.clipboard?.writeText(lock.snapshot.state === "held" ? this.keeper.text : this.keeper.all);
        return this.say(this.messages.copied);
      case "restore":
        this.keeper.putBack(true);
        return this.render();
      case "dismiss":
        this.keeper.dismiss();
        return this.render();
    }
  }
  // What is shown.
  get messages() {
    return messagesFor(languageOf(this));
  }
  get values() {
    const snapshot = this.shown ?? this.handle?.snapshot ?? idle;
    return { snapshot, language: languageOf(this), messages: this.messages, now: Date.now() };
  }
  tick() {
    if (this.handle && document.visibilityState === "visible") this.bar.tick(this.values);
  }
  renderSoon = () => this.render();
  render() {
    const lock = this.handle;
    this.shell.box.dataset["theme"] = this.getAttribute("theme") ?? (onDark(this) ? "dark" : "light");
    if (!lock) {
      this.setOpen(false);
      delete this.dataset["state"];
      return this.showNotice(nameless);
    }
    const snapshot = this.shown ??= lock.snapshot;
    if (snapshot.state === "waiting") this.waited = true;
    this.setOpen(!this.foreign && (snapshot.editable || this.start === "edit" && freeToType(snapshot, this.eager, this.client?.trouble?.code)));
    const connecting = snapshot.state === "connecting" && !this.client?.trouble;
    this.shell.content.dataset["dim"] = snapshot.state === "lost" ? "less" : connecting || snapshot.state === "unsure" ? "not" : "";
    this.dataset["state"] = snapshot.state;
    const text2 = notice(snapshot, {
      start: this.foreign && this.start === "edit" ? "manual" : this.start,
      trouble: this.client?.trouble ?? null,
      dirty: this.keeper.dirty || this.keeper.holds,
      arrived: this.arrived,
      draft: snapshot.state === "held" ? this.keeper.offer : this.keeper.holds && snapshot.state !== "lost" ? "one" : null,
      saving: this.pending !== null,
      overdue: this.client?.overdue ?? false
    });
    clearTimeout(this.delayed);
    const patience3 = text2 ? slow[text2.title] ?? 0 : 0;
    if (patience3 && !(text2?.title === this.saidTitle)) this.delayed = window.setTimeout(() => this.showNotice(text2), patience3);
    else this.showNotice(text2);
  }
  showNotice(text2) {
    this.saidTitle = text2?.title ?? "";
    const values = this.values;
    this.bar.show(text2, values);
    if (text2) this.say(Bar.text(text2, values));
    else this.said = this.shell.live.textContent = "";
  }
  setOpen(open2) {
    if (this.shell.content.inert !== open2) return;
    if (!open2) this.focusKeeper.note();
    this.shell.content.inert = !open2;
    if (open2) this.focusKeeper.giveBack();
  }
  /** Says a thing to screen readers, once. */
  say(text2) {
    if (text2 === this.said) return;
    this.said = this.shell.live.textContent = text2;
  }
};

// src/index.ts
/*! editlock, Apache-2.0 */
export {
  EditLockElement,
  EditlockError,
  editlock
};
