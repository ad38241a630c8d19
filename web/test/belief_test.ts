import vectors from "../../wire/testdata/belief.json";
import { acknowledged, begin, check, left, ponged } from "../src/belief.js";
import { elapsed, jumped, type Instant } from "../src/clock.js";
import { equal, test } from "./harness.js";

const at = (mono: number, wall = mono + 1000): Instant => ({ mono, wall });

interface Vector {
  name: string;
  ttl: number;
  margin: number;
  hello: number[];
  steps: { do: string; ping?: number; at: number[]; left: number }[];
}

const both = ([mono = NaN, wall = NaN]: number[]): Instant => ({ mono, wall });

// The Go client is tested against the same vectors.
for (const { name, ttl, margin, hello, steps } of vectors as Vector[]) {
  test(`belief: ${name}`, () => {
    let belief = begin(both(hello), ttl, margin);
    for (const [i, step] of steps.entries()) {
      const now = both(step.at);
      if (step.do === "pong") belief = ponged(belief, step.ping ?? NaN, now);
      else if (step.do === "ack") belief = acknowledged(belief, step.ping ?? NaN, now);
      else belief = check(belief, now);
      equal(Math.max(0, left(belief, now)), step.left, `left after step ${i + 1}`);
    }
  });
}

test("clock: the one that ran further counts", () => equal(elapsed(at(0), { mono: 5, wall: 1009 }), 9));

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
