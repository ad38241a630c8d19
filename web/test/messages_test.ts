import { agoText, gaps, messagesFor, placeText, timeText, translate, type Messages } from "../src/messages.js";
import { equal, test } from "./harness.js";

const values = (text: string): string => gaps(text).map((gap) => gap.value).filter((value) => value !== null).sort().join();

test("messages: every language fills the same gaps", () => {
  const english = messagesFor("en");
  const german = messagesFor("de");
  equal(german === english, false);
  for (const key of Object.keys(english) as (keyof Messages)[]) {
    equal(values(german[key]), values(english[key]), key);
    equal(german[key] !== "", true, key);
  }
});

test("messages: a region falls back to its language, an unknown language to English", () => {
  equal(messagesFor("de-AT"), messagesFor("de"));
  equal(messagesFor("tlh"), messagesFor("en"));
  translate("de-AT", { doEdit: "Ändern" });
  equal(messagesFor("de-at").doEdit, "Ändern");
  equal(messagesFor("de").doEdit, "Bearbeiten");
});

test("messages: places", () => {
  equal([1, 2, 3, 4, 11, 12, 21, 103].map((place) => placeText(place, "en-GB")).join(), "1st,2nd,3rd,4th,11th,12th,21st,103rd");
  equal(placeText(3, "de"), "3");
});

test("messages: times", () => {
  equal(agoText(5, "en", "just now"), "just now");
  equal(agoText(185, "en", ""), "3 minutes ago");
  equal(agoText(7200, "de", ""), "vor 2 Stunden");
  const noon = new Date(2026, 10, 23, 12, 30).getTime();
  equal(timeText(noon, noon + 1000, "de"), "12:30");
  equal(timeText(noon - 86400e3, noon, "de").includes("22.11.2026"), true);
});

test("messages: gaps", () => {
  equal(gaps("{name} is here"), [{ text: "", value: "name" }, { text: " is here", value: null }]);
  equal(gaps("no {Gap} {} {a"), [{ text: "no {Gap} {} {a", value: null }]);
});
