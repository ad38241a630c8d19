/** What elements are made of. Where there are none, as in a server that renders pages, the class can be named all the same. */
export declare const Base: typeof HTMLElement;
export interface Shell {
    readonly box: HTMLElement;
    /** Inert from in here, so that no change of the page's own tree can undo it. */
    readonly content: HTMLElement;
    /** Spoken by screen readers when they have finished what they are saying. */
    readonly live: HTMLElement;
}
export declare function build(host: HTMLElement, bar: HTMLElement): Shell;
