export interface Guarded extends HTMLElement {
    /** What a save may do now: `go`, wait until it is certain (`later`), or not be (`refuse`). */
    permit(): "go" | "later" | "refuse";
    /** Whether input is welcome now. */
    readonly open: boolean;
    saveLater(form: HTMLFormElement, submitter: HTMLElement | null): void;
    refuseSave(): void;
    /** A save is on its way. */
    saving(submitter: HTMLElement | null): void;
    /** It leaves the page by itself: no script of the page has taken it over. */
    submitted(): void;
    /** A save of this form came to an end that the page told of. */
    saved(options?: {
        version?: string;
    }): void;
    token(): string | null;
}
export declare function protect(element: Guarded): void;
export declare function unprotect(element: Guarded): void;
