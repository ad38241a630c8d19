import vectors from "../../wire/testdata/events.json";
import { Events } from "../src/events.js";
import { Ways } from "../src/ways.js";
import type { Way } from "../src/pipe.js";
import { equal, test } from "./harness.js";

for (const { name, text, events } of vectors) {
  test(`events: ${name}`, () => {
    equal(new Events().take(text), events);
    const pieces = new Events();
    equal([...text].flatMap((piece) => pieces.take(piece)), events, "in pieces");
  });
}

class Tab {
  time = 1_000_000;
  private readonly kept = new Map<string, string>();
  document(forced: Way | null = null): Ways {
    const { kept } = this;
    return new Ways("key", forced, () => this.time, () => ({
      getItem: (key) => kept.get(key) ?? null,
      setItem: (key, value) => void kept.set(key, value),
      removeItem: (key) => void kept.delete(key),
    }));
  }
  poison(value: string): this {
    this.kept.set("key", value);
    return this;
  }
}

test("ways: a WebSocket first, and what works instead is kept for the next document", () => {
  const tab = new Tab();
  const first = tab.document();
  equal(first.next(), "websocket");
  equal(first.fails("websocket", false), "stream");
  first.works("stream");
  equal(first.next(), "stream");
  equal(first.due(), false);
  equal(tab.document().next(), "stream");
});

test("ways: an answer that is kept back leads to polling", () => {
  const ways = new Tab().document();
  equal(ways.fails("stream", true), "poll");
  equal(ways.fails("poll", true), null);
  ways.works("poll");
  equal(ways.next(), "poll");
});

test("ways: a server that is down pushes nobody to the fallback", () => {
  const ways = new Tab().document();
  for (let i = 0; i < 10; i++) {
    equal(ways.next(), "websocket");
    equal(ways.fails("websocket", false), "stream");
    equal(ways.fails("stream", false), null, "refused");
  }
});

test("ways: a page whose WebSockets worked doubts the server first", () => {
  const ways = new Tab().document();
  ways.works("websocket");
  equal([1, 2, 3, 4].map(() => ways.fails("websocket", false)), [null, null, "stream", "stream"]);
  ways.works("websocket");
  equal(ways.fails("websocket", false), null);
});

test("ways: a WebSocket is tried again, more and more rarely", () => {
  const tab = new Tab();
  const ways = tab.document();
  ways.works("stream");
  const waits: number[] = [];
  for (let i = 0; i < 6; i++) {
    const since = tab.time;
    while (!ways.due()) tab.time += 1000;
    waits.push((tab.time - since) / 1000);
    ways.closed();
  }
  equal(waits, [30, 90, 270, 600, 600, 600]);
  while (!ways.due()) tab.time += 1000;
  ways.works("stream"); // a new connection, found in the same way
  equal(ways.next(), "stream");
  ways.works("websocket");
  equal(tab.document().next(), "websocket");
});

test("ways: one that is forced stays", () => {
  const tab = new Tab();
  tab.document().works("stream");
  for (const way of ["websocket", "stream", "poll"] as const) {
    const ways = tab.document(way);
    equal([ways.next(), ways.fails(way, true), ways.due()], [way, null, way === "websocket"]);
  }
});

test("ways: what is kept may be anything", () => {
  for (const value of ["", "null", "5", "[]", '{"way":"pigeon","until":1e99,"wait":1}', '{"way":"stream"}']) {
    equal(new Tab().poison(value).document().next(), "websocket", value);
  }
  const far = new Tab().poison('{"way":"stream","until":1e99,"wait":1}');
  const ways = far.document();
  far.time += 600_000;
  equal(ways.next(), "websocket");
});
