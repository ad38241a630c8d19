import type { Grant } from "./core.js";
import { type Guarded } from "./guard.js";
import { Lock } from "./handle.js";
/** `edit-lock-refresh`: load the content, at least as new as `version`, and hand the promise to `waitUntil`. */
export interface RefreshDetail extends Grant {
    readonly version: string | null;
    waitUntil(promise: PromiseLike<unknown>): void;
}
type Start = "open" | "edit" | "manual";
export declare class EditLockElement extends HTMLElement implements Guarded {
    static readonly observedAttributes: string[];
    private readonly bar;
    private readonly shell;
    private readonly keeper;
    private readonly focusKeeper;
    private client;
    private handle;
    private shown;
    private source;
    private arrived;
    /** The first keystroke has asked for the lock, and typing goes on until somebody else turns out to hold it. */
    private eager;
    private waited;
    private pending;
    private done;
    /** The save that led here was the last: what the session still holds is to be released. */
    private closing;
    private said;
    private ticking;
    private delayed;
    private leaving;
    private complaining;
    constructor();
    /** The lock behind the element: the same object that `editlock.open` gives to scripts. Null while not in a page. */
    get lock(): Lock | null;
    get resource(): string;
    get start(): Start;
    connectedCallback(): void;
    disconnectedCallback(): void;
    attributeChangedCallback(name: string, before: string | null, now: string | null): void;
    private setUp;
    /** Scripts may name the resource a moment after they put the element in. */
    private complain;
    private tearDown;
    /** Remembers how the content came from the server, to see later whether fresh content differs. */
    private remember;
    private changed;
    private entered;
    /** Whether the turn was over by time alone and nobody wants it: then it is taken back without a question. */
    private mayReclaim;
    private typed;
    private refresh;
    private replace;
    get open(): boolean;
    permit(): "go" | "later" | "refuse";
    token(): string | null;
    saveLater(form: HTMLFormElement, submitter: HTMLElement | null): void;
    refuseSave(): void;
    saving(submitter: HTMLElement | null): void;
    submitted(): void;
    /**
     * To be called after a save that did not leave the page. What is there counts as saved; after a button with
     * `data-edit-lock-done`, or with `done`, the lock is released. `version` names what was saved.
     */
    saved(options?: {
        version?: string;
        done?: boolean;
    }): void;
    private perform;
    private get language();
    private get messages();
    private get values();
    private tick;
    private readonly renderSoon;
    private render;
    private saidTitle;
    private showNotice;
    /** With start="edit" typing is free until somebody is known to hold. */
    private freeToType;
    private setOpen;
    /** Says a thing to screen readers, once. */
    private say;
}
export {};
