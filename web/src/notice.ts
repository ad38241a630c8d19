// What the notice bar says in each situation. Pure: texts are chosen here and filled in elsewhere.
import type { Messages } from "./messages.js";
import type { Offer } from "./keeper.js";
import type { Reason } from "./protocol.js";
import type { LockSnapshot } from "./snapshot.js";

export type Action = "stop" | "wait" | "edit" | "move" | "copy" | "restore" | "dismiss" | "retry";
export type Tone = "calm" | "busy" | "good" | "warn";
export type Icon = "person" | "clock" | "pencil" | "plug" | "alert" | "check" | "tabs" | "page";

type Text = keyof Messages;

export interface Notice {
  readonly tone: Tone;
  readonly icon: Icon;
  readonly title: Text;
  readonly details: readonly Text[];
  readonly actions: readonly Action[];
  /** A text of the server or the application, shown after the details. */
  readonly extra?: string;
}

export interface Situation {
  readonly start: "open" | "edit" | "manual";
  /** What keeps the page from connecting. */
  readonly trouble: { readonly code: string; readonly message: string } | null;
  /** Typed text differs from what was loaded. */
  readonly dirty: boolean;
  /** Text from an earlier turn that could not be put back by itself. */
  readonly draft: Offer | null;
  /** The turn has just come after waiting: with the content as it is, or with unsaved text in it. */
  readonly arrived: "fresh" | "typed" | null;
  /** A save waits for certainty. */
  readonly saving: boolean;
  /** The lease is over by now, as far as a page can know that is cut off. */
  readonly overdue: boolean;
}

const lostTexts: Readonly<Partial<Record<Reason, Text>>> = {
  taken_over: "lostTaken", handed_over: "lostTaken", forced: "lostForced", idle: "lostIdle", revoked: "lostRevoked",
  logged_out: "login",
};

const offers: Readonly<Record<Offer, Text>> = { one: "draftDetail", several: "draftSeveral", homeless: "draftHomeless" };

/** Notices of something that usually passes at once are shown only when it does not: after so many milliseconds. */
export const slow: Partial<Record<keyof Messages, number>> = { connecting: 600, checking: 500, refreshing: 250 };

/** The notice for a situation; null when nothing needs to be said. */
export function notice(s: LockSnapshot, now: Situation): Notice | null {
  const make = (tone: Tone, icon: Icon, title: Text, details: Text[], actions: Action[]): Notice =>
    ({
      tone, icon, title,
      details: now.draft ? [...details, "draft"] : details,
      actions: now.draft ? [...actions, "copy"] : actions,
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
        const actions: Action[] = now.draft === "homeless" ? ["copy", "dismiss"] : ["restore", "copy", "dismiss"];
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
      // Without a reason it has not ended: another tab goes on with this one's session.
      const moved = s.holder?.yours === true && (s.lost?.reason === "handed_over" || s.lost?.reason === null);
      const reason = s.lost?.reason ?? null;
      const title = moved ? "lostMoved" : reason === null ? "lostUnknown" : lostTexts[reason] ?? "lostExpired";
      const details: Text[] = [];
      if (others && !s.holder?.yours) details.push("nowEditing");
      if (now.dirty) details.push("textHere");
      const actions: Action[] = [moved || (others && s.holder?.yours) ? "move" : others ? "wait" : "edit"];
      if (now.dirty && !now.draft) actions.push("copy");
      return make("warn", moved ? "tabs" : "alert", title, details, actions);
    }
  }
}

function line(s: LockSnapshot): Text {
  if (s.position === null) return "oneMoment";
  return s.position === 1 ? "next" : "place";
}

const troubles: Readonly<Record<string, readonly [Text, Text]>> = {
  unauthenticated: ["login", "loginDetail"],
  token_unavailable: ["noToken", "unreachableDetail"],
  token_refused: ["badToken", "unreachableDetail"],
};

function trouble(now: Situation): Notice {
  const [title, detail] = troubles[now.trouble?.code ?? ""] ?? ["unreachable", "unreachableDetail"];
  return { tone: "warn", icon: "plug", title, details: [detail], actions: ["retry"] };
}

/** An element that does not say what is edited. */
export const nameless: Notice = { tone: "warn", icon: "alert", title: "nameless", details: ["namelessDetail"], actions: [] };

function failure(s: LockSnapshot): Notice {
  const code = s.error?.code ?? "";
  if (code === "forbidden") return { tone: "calm", icon: "page", title: "forbidden", details: [], actions: [] };
  // A name that the server refuses is refused again. What is wrong with it is for the console.
  if (code === "bad_resource") return { tone: "warn", icon: "alert", title: "mistake", details: ["mistakeDetail"], actions: [] };
  const refresh = code === "refresh";
  return {
    tone: "warn", icon: "alert", title: refresh ? "refresh" : "failed", details: refresh ? ["refreshDetail"] : [],
    actions: ["retry"], extra: code === "bad_request" ? "" : s.error?.message ?? "",
  };
}
