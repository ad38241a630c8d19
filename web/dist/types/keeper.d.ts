/** What the notice has to say about text that is in no field. */
export type Offer = "one" | "several" | "homeless";
/** Of one resource: another one has another keeper. */
export declare class Keeper {
    private readonly root;
    private readonly resource;
    private readonly end;
    private readonly draft;
    /** The latest first; of one field there may be several. */
    private kept;
    /** It stands in the fields as the page came, like a form that is shown again with its errors: sent, and not saved. */
    private posted;
    /** The version of the content that the text of an earlier page was typed over. */
    private over;
    /** The same of what was typed here; the attribute may name another one by now. */
    private typedOver;
    /** A form with the text in it is on its way, and the next page shows what became of it. */
    private sent;
    constructor(root: HTMLElement, resource: string);
    /** The element shows something else from now on, or nothing. */
    close(): void;
    /** Something was typed that is not known to be saved. */
    get dirty(): boolean;
    /** Text is kept, whether or not it is in the fields too. */
    get holds(): boolean;
    /** Whether there is text that is in no field, and what can be done about it. */
    get offer(): Offer | null;
    get text(): string;
    /** All of it: what was kept, and what is in the fields. */
    get all(): string;
    /** Remembers what is typed, before it may go. */
    keep(): void;
    /** While the application loads, it may put its content over the text at any moment: every keystroke is kept. */
    during(load: () => Promise<unknown>): Promise<void>;
    /** Puts text back, unasked only where nobody changed anything meanwhile. */
    putBack(force: boolean): void;
    /** Puts text back at a person's wish; what the person has typed into those fields meanwhile is kept in its place. */
    private exchange;
    /** Of an earlier page's text, what is in no field is to be offered; what is in one may be saved by now, or not yet. */
    private settle;
    /** What stands in the fields and is not known to be saved. */
    private live;
    /** The fields are new ones. */
    replaced(): void;
    /** What stands in the fields is saved; what is offered beside them is not. */
    saved(): void;
    dismiss(): void;
    leavingWithForm(): void;
    /** Writes the text where it outlives the page: hidden pages are thrown away without notice. */
    stash(): void;
    /** The same when the fields may show another record by now: what the person left in them counts. */
    stashWritten(): void;
    /** Takes the text out of the fields, which are to show another record. */
    clear(): void;
    private store;
    /** Takes up what the page before this one left. */
    recover(): void;
    private get key();
}
