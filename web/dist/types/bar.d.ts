import { type Messages } from "./messages.js";
import type { Action, Notice } from "./notice.js";
import type { LockSnapshot } from "./snapshot.js";
export interface Values {
    readonly snapshot: LockSnapshot;
    readonly language: string;
    readonly messages: Messages;
    readonly now: number;
}
export declare class Bar {
    private readonly act;
    /** Opens and closes around the card, so that the page below does not jump. */
    readonly root: HTMLElement;
    private readonly card;
    private readonly icon;
    private readonly title;
    private readonly detail;
    private readonly actions;
    private shown;
    private drawn;
    constructor(act: (action: Action) => void);
    show(notice: Notice | null, values: Values): void;
    /** Draws the eye to the notice, which says why something was not done. */
    nudge(): void;
    /** Brings the times up to date. */
    tick(values: Values): void;
    /** The notice as one sentence, for the live region. */
    static text(notice: Notice, values: Values): string;
    private fill;
    private buttons;
}
