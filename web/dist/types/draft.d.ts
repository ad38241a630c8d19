/** A field's text as it was typed, with what stood there before. */
export interface Typed {
    readonly name: string;
    /** Which of the fields of that name. */
    readonly index: number;
    readonly label: string;
    readonly before: string;
    readonly value: string;
}
export declare class Draft {
    private readonly root;
    private readonly before;
    private readonly touched;
    constructor(root: Element);
    /** Fields that differ from what was there before the first touch. */
    typed(): Typed[];
    /** What is there now counts as saved. */
    forget(): void;
    private meet;
    private touch;
    /** Puts typed text into the fields of the same name; returns what could not be put back. */
    static restore(root: Element, typed: readonly Typed[], force: boolean): Typed[];
    /** What of the text is not in its field. */
    static missing(root: Element, typed: readonly Typed[]): Typed[];
    /** Whether the text came with the page, and was not typed or put into its field afterwards. */
    static served(root: Element, entry: Typed): boolean;
    static text(typed: readonly Typed[]): string;
}
