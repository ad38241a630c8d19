export declare class Keeper {
    private readonly root;
    private readonly resource;
    private readonly draft;
    private kept;
    /** It stands in the fields as the page came, like a form that is shown again with its errors: sent, and not saved. */
    private posted;
    /** The version of the content that the text of an earlier page was typed over. */
    private over;
    /** It comes from an earlier page, whose person may have left it on purpose: to be offered, not put back unasked. */
    private earlier;
    /** A form with the text in it is on its way, and the next page shows what became of it. */
    private sent;
    constructor(root: HTMLElement, resource: () => string);
    /** Something was typed that is not known to be saved. */
    get dirty(): boolean;
    /** There is text that is in no field. */
    get holds(): boolean;
    get text(): string;
    /** Remembers what is typed, before it may go. */
    keep(): void;
    /** Puts text back: by itself only where nobody changed anything meanwhile. */
    putBack(force: boolean): void;
    /** Of an earlier page's text, what is in no field is to be offered; what is in one may be saved by now, or not yet. */
    private settle;
    /** What stands in the fields and is not known to be saved. */
    private live;
    /** The fields are new ones. */
    replaced(): void;
    saved(): void;
    dismiss(): void;
    leavingWithForm(): void;
    /** Writes the text where it outlives the page: hidden pages are thrown away without notice. */
    readonly stash: (event?: Event) => void;
    /** Takes up what the page before this one left. */
    recover(): void;
    private get key();
}
