export declare class FocusKeeper {
    private readonly host;
    private spot;
    constructor(host: HTMLElement);
    /** Notes where the focus is, before it is taken away. */
    note(): void;
    /** Gives the focus back, unless the person has gone elsewhere meanwhile. */
    giveBack(): void;
    /** Keeps the focus over a change of the content. */
    during(change: () => void): void;
    private named;
}
