export interface StreamEvent {
    readonly event: string;
    readonly data: string;
}
export declare class Events {
    private rest;
    private event;
    private data;
    /** The events that this piece completes. */
    take(piece: string): StreamEvent[];
    private line;
}
