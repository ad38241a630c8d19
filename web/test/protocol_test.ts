import closes from "../../wire/testdata/closes.json";
import replies from "../../wire/testdata/replies.json";
import requests from "../../wire/testdata/requests.json";
import { comeback, delay, parseFrame, parseSnapshot, sessionOver, type Request } from "../src/protocol.js";
import { contains, equal, test } from "./harness.js";

for (const { name, frame } of replies) {
  test(`protocol: reads ${name}`, () => {
    const parsed = parseFrame(JSON.stringify(frame));
    if (!parsed) throw new Error("not understood");
    if (parsed.type !== "snapshot") return contains(parsed, frame, "frame");
    const { type, ...rest } = frame as { type: string };
    equal(type, "snapshot");
    contains(parsed.snapshot, rest, "snapshot");
  });
}

for (const { code, return: how } of closes) {
  test(`protocol: close code ${code}`, () => equal(comeback(code), how));
}

test("protocol: only the session is over", () => {
  equal([4300, 4301, 4302, 4303, 4304, 4305].filter(sessionOver), [4302, 4303, 4304]);
});

test("protocol: every request that this client makes is in the vectors", () => {
  const own: Record<string, Request> = {
    "hello": { type: "hello", token: "aaa.bbb.ccc", nonce: "AAECAwQFBgcICQoLDA0ODw" },
    "hello that resumes": { type: "hello", token: "aaa.bbb.ccc", nonce: "AAECAwQFBgcICQoLDA0ODw", resume: "cmVzdW1l" },
    "acquire and wait": { type: "acquire", resource: "article/42" },
    "acquire without waiting": { type: "acquire", resource: "article/42", wait: false },
    "acquire from another tab of one's own": { type: "acquire", resource: "article/42", move: true },
    "confirm": { type: "confirm", resource: "article/42", fence: 1763870000000123 },
    "release": { type: "release", resource: "article/42", fence: 1763870000000123 },
    "release with a version": { type: "release", resource: "article/42", fence: 9007199254740991, version: "18" },
    "cancel": { type: "cancel", resource: "article/42" },
    "watch": { type: "watch", resource: "article/42" },
    "watch, asking how a holding ended": { type: "watch", resource: "article/42", fence: 1763860000000007 },
    "watch a prefix": { type: "watch", prefix: "article/" },
    "unwatch": { type: "unwatch", resource: "article/42" },
    "unwatch a prefix": { type: "unwatch", prefix: "article/" },
    "changed": { type: "changed", resource: "article/42", fence: 1763870000000123, version: "18" },
    "token": { type: "token", token: "aaa.bbb.ccc" },
    "bye": { type: "bye" },
  };
  for (const [name, request] of Object.entries(own)) {
    const vector = requests.find((candidate) => candidate.name === name);
    const { id, ...frame } = vector?.frame as { id: number };
    equal(typeof id, "number");
    equal(request, frame, name);
  }
});

test("protocol: what is not understood is ignored, not guessed", () => {
  for (const data of ["", "null", "[]", "5", "{}", '{"type":"later"}', '{"type":"snapshot"}', '{"type":"welcome","id":1}']) {
    equal(parseFrame(data), null, data);
  }
  equal(parseSnapshot({ resource: "a", state: "melted" }), null);
  equal(parseSnapshot({ resource: "a", state: "free", mine: { state: "later" } })?.mine, null);
  equal(parseSnapshot({ resource: "a", state: "held", revision: "7", holder: 5 })?.revision, 0);
});

test("protocol: how long to wait before coming back", () => {
  for (const [attempt, holding, left, least, most] of [
    [0, false, 0, 0, 4], [0, true, 20, 0, 4], [0, true, 3, 0, 1.5], [0, true, 0, 0, 4], [0, false, 3, 0, 4],
    [1, true, 20, 0.5, 2], [2, false, 0, 0.5, 4], [9, true, 3, 0.5, 5], [9, false, 0, 0.5, 20],
  ] as const) {
    equal([delay(attempt, holding, left, 0), delay(attempt, holding, left, 1)], [least, most], `attempt ${attempt}, ${left} s of belief left`);
  }
});
