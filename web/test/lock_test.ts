import { initial, plan, reduce, toLoad, type LockEvent, type LockState } from "../src/lock.js";
import { parseSnapshot, type MineFrame, type Reason, type SnapshotFrame } from "../src/protocol.js";
import { mayReclaim, picture, status } from "../src/snapshot.js";
import { equal, test } from "./harness.js";

let revision = 10;

function frame(mine: Partial<MineFrame> | null, more: Partial<SnapshotFrame> = {}): SnapshotFrame {
  const full = mine && {
    state: "waiting" as const, position: 0, since: "s", fence: 0, token: "", expires_in: 0, confirm_within: 0, ...mine,
  };
  const holds = full !== null && full.fence > 0;
  return {
    resource: "article/42", revision: ++revision, state: holds ? "held" : "free", waiting: 0, version: null, ended: null,
    holder: holds ? { user: "7", name: "Ben", since: "s", held_for: 0, you: true, yours: false } : null, mine: full, ...more,
  };
}

const granted = (fence: number): SnapshotFrame => frame({ state: "granted", fence, confirm_within: 10 });
const held = (fence: number): SnapshotFrame => frame({ state: "held", fence, token: `t${fence}`, expires_in: 28 });
const ended = (fence: number, reason: Reason): SnapshotFrame => frame(null, { ended: { fence, reason, at: "a" } });

function play(state: LockState, ...events: LockEvent[]): LockState {
  return events.reduce(reduce, state);
}

const up: LockEvent[] = [{ type: "sure", sure: true }, { type: "online", resumed: false, snapshot: null }];

function answer(state: LockState, snapshot: SnapshotFrame): LockState {
  const request = plan(state);
  if (!request) throw new Error("nothing was asked");
  return play(state, { type: "sent", request: request.type }, { type: "answer", request: request.type, snapshot });
}

/** A page that holds with the fence. */
function holding(fence = 5): LockState {
  let s = play(initial("article/42"), { type: "acquire", queue: true, move: false }, ...up);
  s = answer(s, granted(fence));
  s = answer(s, held(fence));
  return play(s, { type: "loading", fence }, { type: "loaded", fence });
}

test("lock: asks, confirms, loads, and only then is held", () => {
  let s = play(initial("article/42"), { type: "acquire", queue: true, move: false });
  equal(plan(s), null, "before there is a connection");
  s = play(s, ...up);
  equal(plan(s), { type: "acquire", resource: "article/42" });
  s = play(s, { type: "sent", request: "acquire" });
  equal(plan(s), null, "one request at a time");
  s = play(s, { type: "answer", request: "acquire", snapshot: granted(5) });
  equal(status(s), "refreshing");
  equal(toLoad(s), 0, "nothing is loaded before the grant is durable");
  equal(plan(s), { type: "confirm", resource: "article/42", fence: 5 });
  s = answer(s, held(5));
  equal(toLoad(s), 5);
  equal(status(s), "refreshing");
  s = play(s, { type: "loading", fence: 5 });
  equal(toLoad(s), 0);
  s = play(s, { type: "loaded", fence: 5 });
  equal(status(s), "held");
  equal(plan(s), null);
});

test("lock: content that was loaded for an older grant does not count", () => {
  let s = play(holding(5), { type: "push", snapshot: ended(5, "unconfirmed") });
  s = play(s, { type: "acquire", queue: true, move: false });
  s = answer(answer(s, granted(9)), held(9));
  s = play(s, { type: "loaded", fence: 5 });
  equal(status(s), "refreshing");
});

test("lock: content that cannot be loaded gives the lock back and says so", () => {
  let s = play(holding(5), { type: "push", snapshot: ended(5, "expired") }, { type: "acquire", queue: true, move: false });
  s = answer(answer(s, granted(9)), held(9));
  s = play(s, { type: "loading", fence: 9 }, { type: "unloaded", fence: 9, error: { code: "refresh", message: "404" } });
  equal(plan(s), { type: "release", resource: "article/42", fence: 9 });
  s = answer(s, frame(null));
  equal(status(s), "watching");
  equal(s.error?.code, "refresh");
});

test("lock: a resumed hold of the page before is not loaded again, and adopted whatever the page asks for", () => {
  for (const wanted of [true, false]) {
    let s = initial("article/42", 5);
    if (wanted) s = play(s, { type: "acquire", queue: true, move: false });
    s = play(s, { type: "sure", sure: true }, { type: "online", resumed: true, snapshot: held(5) });
    equal(status(s), "held");
    equal(toLoad(s), 0);
    equal(plan(s), null);
  }
});

test("lock: a resumed hold whose content this tab had not loaded is loaded", () => {
  for (const known of [0, 4]) {
    const s = play(initial("article/42", known), { type: "sure", sure: true }, { type: "online", resumed: true, snapshot: held(5) });
    equal([status(s), toLoad(s)], ["refreshing", 5]);
    equal(status(play(s, { type: "loading", fence: 5 }, { type: "loaded", fence: 5 })), "held");
  }
});

test("lock: nothing is loaded before there is a proof to send with it", () => {
  let s = play(initial("article/42"), { type: "acquire", queue: true, move: false }, ...up);
  s = answer(answer(s, granted(5)), frame({ state: "held", fence: 5 }));
  equal(toLoad(s), 0);
  equal(toLoad(play(s, { type: "token", fence: 5, token: "t5", expires: 28 })), 5);
});

test("lock: a resumed place in the line is kept", () => {
  const s = play(initial("article/42"), { type: "online", resumed: true, snapshot: frame({ state: "waiting", position: 2 }) });
  equal([status(s), plan(s)], ["waiting", null]);
});

test("lock: belief that runs out is unsure, and typing goes on; doubt stops it", () => {
  const unsure = play(holding(), { type: "sure", sure: false });
  equal([status(unsure), picture(unsure, 0, 0).editable], ["unsure", true]);
  const doubt = play(holding(), { type: "doubt" });
  equal([status(doubt), picture(doubt, 0, 0).editable], ["unsure", false]);
  equal(plan(doubt), { type: "watch", resource: "article/42", fence: 5 });
  equal(status(answer(doubt, held(5))), "held");
});

test("lock: doubt is settled by a resume too", () => {
  const s = play(holding(), { type: "doubt" }, { type: "offline" }, { type: "online", resumed: true, snapshot: held(5) });
  equal([status(s), plan(s), toLoad(s)], ["held", null, 0]);
});

test("lock: a disconnect alone changes nothing", () => {
  equal(status(play(holding(), { type: "offline" })), "held");
  const waiting = play(initial("article/42"), { type: "online", resumed: true, snapshot: frame({ state: "waiting", position: 1 }) }, { type: "offline" });
  equal(status(waiting), "waiting");
});

test("lock: what a welcome does not list is asked for, naming the fence", () => {
  let s = play(holding(), { type: "offline" }, { type: "online", resumed: false, snapshot: null });
  equal(plan(s), { type: "watch", resource: "article/42", fence: 5 });
  s = answer(s, ended(5, "expired"));
  equal(status(s), "lost");
  equal(s.lost, { fence: 5, reason: "expired", at: "a" });
  equal(plan(s), null, "it does not ask again by itself");
});

test("lock: lapsed with the same fence is taken back and not loaded", () => {
  let s = play(holding(), { type: "push", snapshot: frame({ state: "lapsed", fence: 5 }, { state: "lapsed" }) });
  equal(status(s), "unsure");
  equal(plan(s), { type: "acquire", resource: "article/42" });
  s = answer(s, held(5));
  equal([status(s), toLoad(s)], ["held", 0]);
});

test("lock: an absent waiter asks again", () => {
  const s = play(initial("article/42"), { type: "acquire", queue: true, move: false }, ...up);
  const absent = answer(s, frame({ state: "absent" }));
  equal([status(absent), plan(absent)], ["waiting", { type: "acquire", resource: "article/42" }]);
});

test("lock: a grant that passed on before it was used is asked for again, one that was decided is not", () => {
  const s = play(initial("article/42"), { type: "acquire", queue: true, move: false }, ...up);
  const unused = answer(s, granted(5));
  equal(plan(play(unused, { type: "push", snapshot: ended(5, "unconfirmed") })), { type: "acquire", resource: "article/42" });
  equal(plan(play(unused, { type: "push", snapshot: ended(5, "forced") })), null);
});

test("lock: an older push is ignored, an answer never", () => {
  const s = holding();
  const old = { ...ended(5, "expired"), revision: 1 };
  equal(status(play(s, { type: "push", snapshot: old })), "held");
  equal(status(play(s, { type: "answer", request: "watch", snapshot: old })), "lost");
});

test("lock: giving up is asked for until it is so, whatever stood in between", () => {
  const s = play(holding(), { type: "release", version: "18" });
  equal(plan(s), { type: "release", resource: "article/42", fence: 5, version: "18" });
  const away = play(s, { type: "sent", request: "release" }, { type: "offline" }, { type: "online", resumed: true, snapshot: held(5) });
  equal(plan(away), { type: "release", resource: "article/42", fence: 5, version: "18" });
  const done = answer(away, frame(null));
  equal([status(done), plan(done)], ["watching", null]);
});

test("lock: asked for again while its release is on its way, it is not held", () => {
  let s = play(holding(), { type: "release", version: null });
  equal(status(play(s, { type: "acquire", queue: true, move: false })), "held", "nothing was sent yet");
  s = play(s, { type: "sent", request: "release" }, { type: "acquire", queue: false, move: false });
  equal(status(s), "refreshing");
  s = play(s, { type: "answer", request: "release", snapshot: frame(null) });
  equal(plan(s), { type: "acquire", resource: "article/42", wait: false });
});

test("lock: a grant that nobody wants any more is given back", () => {
  const s = play(initial("article/42"), { type: "acquire", queue: true, move: false }, ...up);
  const waiting = play(answer(s, frame({ state: "waiting", position: 1 })), { type: "release", version: null });
  equal(plan(waiting), { type: "cancel", resource: "article/42" });
  equal(plan(play(waiting, { type: "push", snapshot: granted(5) })), { type: "cancel", resource: "article/42" });
});

test("lock: refused for good it stops, refused for now it goes on", () => {
  const s = play(initial("article/42"), { type: "acquire", queue: true, move: false }, ...up, { type: "sent", request: "acquire" });
  const error = (code: string): LockEvent => ({ type: "refused", request: "acquire", error: { code, message: "" }, snapshot: null });
  equal(play(s, error("forbidden")).wants, false);
  equal(play(s, error("unavailable")).wants, true);
  equal(plan(play(s, error("unavailable"))), { type: "acquire", resource: "article/42" });
});

/** A small generator, so that a failing walk can be walked again. */
function random(seed: number): (below: number) => number {
  return (below) => {
    seed = (Math.imul(seed, 1664525) + 1013904223) >>> 0;
    return Math.floor((seed / 2 ** 32) * below);
  };
}

test("lock: 200,000 random steps", () => {
  const draw = random(42);
  const seen = new Map<string, number>();
  let s = initial("article/42");
  let fence = 100;
  const snapshots = [
    () => frame(null), () => frame({ state: "waiting", position: 1 + draw(3) }), () => frame({ state: "absent" }),
    () => granted(++fence), () => (s.fence ? held(s.fence) : held(++fence)), () => frame({ state: "lapsed", fence: s.fence || ++fence }),
    () => ended(s.fence || 1, (["expired", "taken_over", "unconfirmed", "released"] as const)[draw(4)] ?? "expired"),
  ];
  const snapshot = (): SnapshotFrame => (snapshots[draw(snapshots.length)] ?? (() => frame(null)))();
  for (let step = 0; step < 200_000; step++) {
    const flight = s.flight;
    const events: (() => LockEvent)[] = [
      () => ({ type: "acquire", queue: draw(4) > 0, move: draw(8) === 0 }), () => ({ type: "release", version: null }),
      () => ({ type: "online", resumed: true, snapshot: draw(2) ? snapshot() : null }), () => ({ type: "offline" }),
      () => ({ type: "sure", sure: draw(3) > 0 }), () => ({ type: "doubt" }), () => ({ type: "push", snapshot: snapshot() }),
      () => ({ type: "close" }), () => ({ type: "reopen" }),
      () => (flight ? { type: "answer", request: flight, snapshot: flight === "unwatch" ? null : snapshot() } : { type: "sure", sure: true }),
      () => (flight ? { type: "refused", request: flight, error: { code: draw(2) ? "unavailable" : "forbidden", message: "" }, snapshot: null } : { type: "sure", sure: true }),
      () => ({ type: "token", fence: s.fence, token: "x", expires: 20 }),
      () => (s.loading ? { type: "loaded", fence: s.loading } : { type: "sure", sure: true }),
      () => (s.loading ? { type: "unloaded", fence: s.loading, error: { code: "refresh", message: "" } } : { type: "sure", sure: true }),
    ];
    const event = (events[draw(events.length)] ?? (() => ({ type: "doubt" as const })))();
    s = reduce(s, event);
    const request = plan(s);
    if (request && draw(2)) s = reduce(s, { type: "sent", request: request.type });
    const load = toLoad(s);
    if (load) s = reduce(s, { type: "loading", fence: load });
    const now = picture(s, 0, 0);
    seen.set(now.state, (seen.get(now.state) ?? 0) + 1);
    const mine = s.view?.mine;
    const where = `step ${step} after ${event.type}`;
    if (now.state === "held" && !(mine?.state === "held" && mine.fence === s.fresh && s.sure && !s.doubt && s.wants)) {
      throw new Error(`${where}: held without being sure of it`);
    }
    if (now.editable && !(s.fresh !== 0 && s.fresh === s.fence && !s.doubt)) throw new Error(`${where}: editable`);
    if (request && (!s.online || (flight && s.flight === flight && event.type === "push"))) throw new Error(`${where}: asks twice`);
    if (s.fence !== 0 && mine?.fence !== s.fence) throw new Error(`${where}: fence ${s.fence} is nobody's`);
    if (!Object.isFrozen(now)) throw new Error(`${where}: can be changed`);
  }
  for (const state of ["connecting", "watching", "waiting", "refreshing", "held", "unsure", "lost"]) {
    if ((seen.get(state) ?? 0) < 200) throw new Error(`${state} was seen ${seen.get(state) ?? 0} times`);
  }
});

test("lock: a turn that is over for a reason nobody knows is not taken back unasked", () => {
  const at = (reason: string | null): LockState => {
    const ended = { fence: 5, reason, at: "a" };
    const s = holding();
    const snapshot = parseSnapshot({ resource: "article/42", revision: ++revision, state: "free", waiting: 0, ended });
    if (!snapshot) throw new Error("not a snapshot");
    return play(s, { type: "push", snapshot });
  };
  for (const [reason, back] of [["expired", true], ["left", true], [null, false], ["a later protocol's", false], ["forced", false], ["idle", false]] as const) {
    const s = at(reason);
    equal([status(s), plan(s), mayReclaim(picture(s, 0, 0))], ["lost", null, back], String(reason));
  }
  const over = play(holding(), { type: "online", resumed: false, snapshot: frame(null) });
  // The server says nothing of how it ended: as little.
  equal(mayReclaim(picture(over, 0, 0)), false, "no end");
  // Neither is a turn that was not in use yet.
  const before = play(holding(), { type: "reload" });
  equal(status(before), "refreshing");
  const unknown = frame(null, { ended: { fence: 5, reason: null, at: "a" } });
  equal(status(play(before, { type: "push", snapshot: unknown })), "lost");
});

test("lock: asked for again while it is given up, it is not held by that", () => {
  let s = play(holding(), { type: "release", version: null });
  const request = plan(s);
  equal(request?.type, "release");
  s = play(s, { type: "sent", request: "release" }, { type: "acquire", queue: false, move: false });
  equal([status(s), toLoad(s), plan(s)], ["refreshing", 0, null]);
  s = play(s, { type: "answer", request: "release", snapshot: ended(5, "released") });
  equal([plan(s), toLoad(s)], [{ type: "acquire", resource: "article/42", wait: false }, 0]);
});
