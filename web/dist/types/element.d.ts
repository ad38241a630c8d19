import { type Guarded } from "./guard.js";
import { Lock } from "./handle.js";
import { Base } from "./shell.js";
export type { RefreshDetail } from "./application.js";
type Start = "open" | "edit" | "manual";
export declare class EditLockElement extends Base implements Guarded {
    static readonly observedAttributes: string[];
    private readonly bar;
    private readonly shell;
    private keeper;
    private readonly focusKeeper;
    private client;
    private core;
    private handle;
    /** The resource whose content the fields were made for. */
    private named;
    /** They still show another one: closed until this one's content is loaded. */
    private foreign;
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
    private saidTitle;
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
    private get messages();
    private get values();
    private tick;
    private readonly renderSoon;
    private render;
    private showNotice;
    private setOpen;
    /** Says a thing to screen readers, once. */
    private say;
}
