import { acknowledged, begin, check, left, ponged } from "../src/belief.js";
import { elapsed, jumped, type Instant } from "../src/clock.js";
import { equal, test } from "./harness.js";

const at = (mono: number, wall = mono + 1000): Instant => ({ mono, wall });

test("belief: counts from the sending of hello, TTL less margin", () => {
  const belief = begin(at(10), 30, 3);
  equal(left(belief, at(10)), 27);
  equal(check(belief, at(36.9)).lapsed, false);
  equal(check(belief, at(37)).lapsed, true);
});

test("belief: an acknowledged pong counts from its own sending, not from the acknowledgement", () => {
  let belief = ponged(begin(at(0), 30, 3), 1, at(7));
  belief = acknowledged(belief, 1, at(14));
  equal(left(belief, at(14)), 20);
});

test("belief: an acknowledgement of nothing known changes nothing", () => {
  let belief = ponged(begin(at(0), 30, 3), 1, at(7));
  belief = acknowledged(belief, 0, at(8));
  belief = acknowledged(belief, 99, at(8));
  equal(left(belief, at(8)), 19);
});

test("belief: acknowledgements out of order do not take it back", () => {
  let belief = ponged(ponged(begin(at(0), 30, 3), 1, at(7)), 2, at(14));
  belief = acknowledged(belief, 2, at(15));
  belief = acknowledged(belief, 1, at(16));
  equal(left(belief, at(16)), 25);
});

test("belief: once lapsed, no late ping brings it back", () => {
  let belief = ponged(begin(at(0), 30, 3), 1, at(26));
  belief = acknowledged(belief, 1, at(27));
  equal(belief.lapsed, true);
  belief = acknowledged(ponged(belief, 2, at(28)), 2, at(28));
  equal(check(belief, at(28)).lapsed, true);
  equal(left(belief, at(28)), 0);
});

test("belief: the clock that ran further counts", () => {
  const belief = begin(at(0), 30, 3);
  equal(check(belief, { mono: 1, wall: 1000 + 27 }).lapsed, true, "asleep: the monotonic clock stood");
  equal(check(belief, { mono: 27, wall: 1000 - 3600 }).lapsed, true, "the wall clock was set back");
  equal(elapsed(at(0), { mono: 5, wall: 1009 }), 9);
});

test("clock: a jump is seen in both directions, slow drift is not", () => {
  equal(jumped(at(0), { mono: 1, wall: 1060 }), true);
  equal(jumped(at(0), { mono: 60, wall: 1001 }), true);
  equal(jumped(at(0), { mono: 60, wall: 1061.5 }), false);
});

test("belief: what is not acknowledged does not pile up", () => {
  let belief = begin(at(0), 30, 3);
  for (let ping = 1; ping < 500; ping++) belief = ponged(belief, ping, at(ping / 100));
  equal(belief.unacknowledged.length <= 32, true);
});
