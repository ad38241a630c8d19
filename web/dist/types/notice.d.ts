import type { Messages } from "./messages.js";
import type { Offer } from "./keeper.js";
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
    readonly trouble: {
        readonly code: string;
        readonly message: string;
    } | null;
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
/** Notices of something that usually passes at once are shown only when it does not: after so many milliseconds. */
export declare const slow: Partial<Record<keyof Messages, number>>;
/** The notice for a situation; null when nothing needs to be said. */
export declare function notice(s: LockSnapshot, now: Situation): Notice | null;
/** An element that does not say what is edited. */
export declare const nameless: Notice;
export {};
