export interface Messages {
    readonly region: string;
    readonly connecting: string;
    readonly unreachable: string;
    readonly unreachableDetail: string;
    readonly login: string;
    readonly loginDetail: string;
    readonly noToken: string;
    readonly badToken: string;
    readonly nameless: string;
    readonly namelessDetail: string;
    readonly editing: string;
    readonly since: string;
    readonly justNow: string;
    readonly next: string;
    readonly place: string;
    readonly reading: string;
    readonly oneMoment: string;
    readonly yours: string;
    readonly yoursDetail: string;
    readonly free: string;
    readonly freeDetail: string;
    readonly refreshing: string;
    readonly refreshingDetail: string;
    readonly turn: string;
    readonly turnDetail: string;
    readonly turnText: string;
    readonly othersOne: string;
    readonly others: string;
    readonly unsure: string;
    readonly unsureDetail: string;
    readonly unsureOver: string;
    readonly checking: string;
    readonly saveLater: string;
    readonly refused: string;
    readonly refresh: string;
    readonly refreshDetail: string;
    readonly forbidden: string;
    readonly failed: string;
    readonly mistake: string;
    readonly mistakeDetail: string;
    readonly lostExpired: string;
    readonly lostUnknown: string;
    readonly lostMoved: string;
    readonly lostTaken: string;
    readonly lostForced: string;
    readonly lostIdle: string;
    readonly lostRevoked: string;
    readonly nowEditing: string;
    readonly textHere: string;
    readonly draft: string;
    readonly draftDetail: string;
    readonly draftSeveral: string;
    readonly draftHomeless: string;
    readonly copied: string;
    readonly titleTurn: string;
    readonly doStop: string;
    readonly doWait: string;
    readonly doEdit: string;
    readonly doMove: string;
    readonly doCopy: string;
    readonly doRestore: string;
    readonly doDismiss: string;
    readonly doRetry: string;
}
/** Adds or changes the texts of a language; what is left out stays, or is English. */
export declare function translate(language: string, messages: Partial<Messages>): void;
/** The texts for a language tag: `de-AT`, then `de`, then English. */
export declare function messagesFor(language: string): Messages;
/** The language that an element is written in. */
export declare function languageOf(element: Element): string;
/** A place in line in words: `2nd` in English, `2` elsewhere. */
export declare function placeText(position: number, language: string): string;
/** `3 minutes ago`, in the language. */
export declare function agoText(seconds: number, language: string, justNow: string): string;
/** `14:05`, with the date when it is not today. */
export declare function timeText(at: number, now: number, language: string): string;
/** A text with its gaps: plain strings, and the names of values. */
export declare function gaps(template: string): {
    text: string;
    value: string | null;
}[];
