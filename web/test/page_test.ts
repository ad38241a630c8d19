import { atLeast, sameContent, takeHidden } from "../src/page.js";
import { equal, test } from "./harness.js";

test("page: versions with an order", () => {
  equal(atLeast("18", "18"), "yes");
  equal(atLeast("18", "9"), "yes");
  equal(atLeast("9", "18"), "no");
  equal(atLeast("9007199254740993", "9007199254740992"), "yes");
  equal(atLeast("2026-11-23T14:05:01Z", "2026-11-23T14:05:00Z"), "yes");
  equal(atLeast("2026-11-23T15:04:00+01:00", "2026-11-23T14:05:00Z"), "no");
});

test("page: versions without an order", () => {
  equal(atLeast("b1946ac9", "b1946ac9"), "yes");
  equal(atLeast("b1946ac9", "591785b7"), "unknown");
  equal(atLeast("18", "591785b7"), "unknown");
});

const parse = (html: string): Element => new DOMParser().parseFromString(`<div>${html}</div>`, "text/html").body.children[0]!;

test("page: a cross-site token does not make content different", () => {
  const before = parse(`<form><input type="hidden" name="csrf" value="one">\n <textarea name="t">Snow</textarea></form>`);
  const after = parse(`<form><input type="hidden" name="csrf" value="two"> <textarea name="t">Snow</textarea></form>`);
  equal(sameContent(before, after), true);
  takeHidden(before, after);
  equal(before.querySelector<HTMLInputElement>("[name=csrf]")?.value, "two");
  equal(sameContent(before, parse(`<form><input type="hidden" name="csrf"> <textarea name="t">Rain</textarea></form>`)), false);
});
