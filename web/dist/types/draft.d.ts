interface Place {
    readonly name: string;
    /** Which of the fields of that name. */
    readonly index: number;
}
/** A field's text as it was typed, with what stood there before. */
export interface Typed extends Place {
    readonly label: string;
    readonly before: string;
    readonly value: string;
    /** Of the typing into one field, from content to content: its later text stands for the earlier one. */
    readonly run?: number;
}
export declare class Draft {
    private readonly root;
    private readonly before;
    private readonly notes;
    /** The application is loading: what it writes into the fields, and tells of, is no typing. */
    private loading;
    constructor(root: Element, signal: AbortSignal);
    /** Fields that differ from what was there before the first touch. */
    typed(): Typed[];
    /** The same by the person's own hand, although the fields may be gone by now or show something else. */
    written(): Typed[];
    /** What is there now counts as saved. */
    forget(): void;
    /** From now on the application may put other content into the fields at any moment. */
    loadBegins(): void;
    /** Fields that show something else now are new ones. */
    loadEnds(): void;
    /** Takes the text out of fields that still show it: they are to show another record. */
    clear(): void;
    private drop;
    private meet;
    private note;
    /** About to be typed into: what is there by now is what was there before. */
    private begin;
    private touch;
    private put;
    /** Puts text back where nobody changed anything meanwhile; returns what is in no field then. */
    restore<T extends Typed>(typed: readonly T[]): T[];
    /** Puts the first text of each field into it, whatever is there; returns what is in no field then. */
    force<T extends Typed>(typed: readonly T[]): T[];
    /** Whether there is a field for the text. */
    static fits(root: Element, entry: Typed): boolean;
    /** What of the text is not in its field. */
    static missing<T extends Typed>(root: Element, typed: readonly T[]): T[];
    /** Whether the text came with the page, and was not typed or put into its field afterwards. */
    static served(root: Element, entry: Typed): boolean;
    static text(typed: readonly Typed[]): string;
}
export {};
