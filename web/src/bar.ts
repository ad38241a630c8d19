// The notice bar in the shadow root. Names are always inserted as text nodes.
import { agoText, gaps, placeText, timeText, type Messages } from "./messages.js";
import type { Action, Icon, Notice } from "./notice.js";
import type { LockSnapshot } from "./snapshot.js";

export interface Values {
  readonly snapshot: LockSnapshot;
  readonly language: string;
  readonly messages: Messages;
  readonly now: number;
}

const paths: Readonly<Record<Icon, string>> = {
  person: "",
  clock: "M12 7v5l3 2M12 21a9 9 0 1 0 0-18 9 9 0 0 0 0 18Z",
  pencil: "m4 20 1-5L16 4l4 4L9 19l-5 1ZM14 6l4 4",
  plug: "M4 4l16 16M9 3v4m6-4v4m2 3v1c0 .8-.2 1.5-.5 2.200M7 9v2a5 5 0 0 0 7 4.600M12 16v5",
  alert: "M12 9v4m0 3.500v.01M10.3 4 2.6 17.500A2 2 0 0 0 4.3 20.500h15.400a2 2 0 0 0 1.7-3L13.7 4a2 2 0 0 0-3.4 0Z",
  check: "m5 13 4.5 4.500L19 7",
  tabs: "M8 8V5a1 1 0 0 1 1-1h10a1 1 0 0 1 1 1v10a1 1 0 0 1-1 1h-3M5 8h10a1 1 0 0 1 1 1v10a1 1 0 0 1-1 1H5a1 1 0 0 1-1-1V9a1 1 0 0 1 1-1Z",
  page: "M7 3h7l5 5v12a1 1 0 0 1-1 1H7a1 1 0 0 1-1-1V4a1 1 0 0 1 1-1Zm7 0v5h5M9 13h6m-6 4h4",
};

const labels: Readonly<Record<Action, keyof Messages>> = {
  stop: "doStop", wait: "doWait", edit: "doEdit", move: "doMove", copy: "doCopy", restore: "doRestore",
  dismiss: "doDismiss", retry: "doRetry",
};

const loud: readonly Action[] = ["wait", "edit", "move", "restore", "retry"];

export class Bar {
  /** Opens and closes around the card, so that the page below does not jump. */
  readonly root = element("div", "drawer", "drawer");
  private readonly card = element("div", "bar", "bar");
  private readonly icon = element("span", "icon", "icon");
  private readonly title = element("p", "title", "title");
  private readonly detail = element("p", "detail", "detail");
  private readonly actions = element("div", "actions", "actions");
  private shown: Notice | null = null;
  private drawn = "";

  constructor(private readonly act: (action: Action) => void) {
    const text = element("div", "text", "text");
    text.append(this.title, this.detail);
    this.icon.setAttribute("aria-hidden", "true");
    this.card.setAttribute("role", "group");
    this.card.tabIndex = -1;
    const row = element("div", "row", "row");
    row.append(this.icon, text, this.actions);
    this.card.append(row);
    const clip = element("div", "clip", "clip");
    clip.append(this.card);
    this.root.append(clip);
  }

  show(notice: Notice | null, values: Values): void {
    this.root.toggleAttribute("data-open", notice !== null);
    this.shown = notice;
    this.card.setAttribute("aria-label", values.messages.region);
    // Closing, it keeps its text until it is out of sight.
    if (!notice) return;
    this.card.dataset["tone"] = notice.tone;
    this.fill(notice, values);
    this.buttons(notice, values);
  }

  /** Draws the eye to the notice, which says why something was not done. */
  nudge(): void {
    if (matchMedia("(prefers-reduced-motion: reduce)").matches) return;
    this.card.animate({ translate: ["0", "6px", "-5px", "3px", "0"] }, { duration: 320, easing: "ease-out" });
  }

  /** Brings the times up to date. */
  tick(values: Values): void {
    if (this.shown) this.fill(this.shown, values);
  }

  /** The notice as one sentence, for the live region. */
  static text(notice: Notice, values: Values): string {
    // Times go on changing, and would be read out again and again.
    const keys = [notice.title, ...notice.details].filter((key) => key !== "since");
    const texts = keys.map((key) => plain(values.messages[key], values));
    return [...texts, notice.extra ?? ""].filter(Boolean).join(". ").replace(/([.…!?])\. /g, "$1 ");
  }

  private fill(notice: Notice, values: Values): void {
    this.title.replaceChildren(...nodes(values.messages[notice.title], values));
    const details = notice.details.flatMap((key, index) => {
      const part = nodes(values.messages[key], values);
      return index ? [document.createTextNode(separator(values.messages[notice.details[index - 1] ?? key])), ...part] : part;
    });
    if (notice.extra) details.push(document.createTextNode((details.length ? " " : "") + notice.extra));
    this.detail.replaceChildren(...details);
    this.detail.hidden = details.length === 0;
    const name = values.snapshot.holder?.name ?? "";
    const drawn = notice.icon + name;
    if (drawn === this.drawn) return;
    this.drawn = drawn;
    this.icon.replaceChildren(notice.icon === "person" ? initials(name) : drawing(paths[notice.icon]));
    this.icon.dataset["icon"] = notice.icon;
    this.icon.style.setProperty("--hue", String(hue(name)));
  }

  private buttons(notice: Notice, values: Values): void {
    const root = this.root.getRootNode();
    const focused = root instanceof ShadowRoot && this.actions.contains(root.activeElement) ? root.activeElement : null;
    const had = focused instanceof HTMLElement ? focused.dataset["action"] : null;
    const buttons = notice.actions.map((action) => {
      const button = element("button", `button ${loud.includes(action) ? "loud" : "quiet"}`, `button button-${action}`);
      button.setAttribute("type", "button");
      button.dataset["action"] = action;
      button.textContent = values.messages[labels[action]];
      button.addEventListener("click", () => this.act(action));
      return button;
    });
    const keys = (list: Iterable<Element>): string => [...list].map((button) => button.textContent).join("|");
    if (keys(this.actions.children) === keys(buttons)) return;
    this.actions.replaceChildren(...buttons);
    // The button that was pressed is gone: its successor takes the focus, or the bar, never the top of the page.
    if (had !== null) (buttons.find((button) => button.dataset["action"] === had) ?? buttons[0] ?? this.card).focus();
  }
}

function separator(before: string): string {
  return /[.…!?]$/.test(before) ? " " : " · ";
}

function value(key: string, { snapshot, language, messages, now }: Values): string {
  switch (key) {
    case "name":
      return snapshot.holder?.name || "?";
    case "time":
      return timeText(snapshot.holder?.since ?? now, now, language);
    case "ago":
      return agoText(Math.max(0, (now - (snapshot.holder?.since ?? now)) / 1000), language, messages.justNow);
    case "place":
      return placeText(snapshot.position ?? 0, language);
    case "count":
      return new Intl.NumberFormat(language).format(snapshot.waiting);
    default:
      return "";
  }
}

function nodes(template: string, values: Values): Node[] {
  return gaps(template).map((gap) => {
    if (gap.value === null) return document.createTextNode(gap.text);
    // Isolated, so that a name of another script does not turn the sentence around.
    const inserted = document.createElement(gap.value === "name" ? "bdi" : "span");
    if (gap.value === "name") inserted.setAttribute("part", "name");
    inserted.textContent = value(gap.value, values);
    return inserted;
  });
}

function plain(template: string, values: Values): string {
  return gaps(template).map((gap) => {
    if (gap.value === null) return gap.text;
    const inserted = value(gap.value, values);
    return gap.value === "name" ? `\u2068${inserted}\u2069` : inserted;
  }).join("");
}

function element(tag: string, className: string, part: string): HTMLElement {
  const made = document.createElement(tag);
  made.className = className;
  made.setAttribute("part", part);
  return made;
}

function initials(name: string): Node {
  const words = name.split(/\s+/).filter(Boolean);
  const first = [...(words[0] ?? "?")][0] ?? "?";
  const last = words.length > 1 ? [...(words[words.length - 1] ?? "")][0] ?? "" : "";
  return document.createTextNode((first + last).toLocaleUpperCase());
}

function drawing(path: string): Node {
  const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  svg.setAttribute("viewBox", "0 0 24 24");
  const line = document.createElementNS("http://www.w3.org/2000/svg", "path");
  line.setAttribute("d", path);
  svg.append(line);
  return svg;
}

/** A colour of one's own for each name. */
function hue(name: string): number {
  let sum = 0;
  for (const character of name) sum = (sum * 31 + (character.codePointAt(0) ?? 0)) % 3600;
  return sum % 360;
}
