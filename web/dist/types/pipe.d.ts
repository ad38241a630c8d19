/** How a page is connected: `poll` is a stream whose answers end with each frame, for proxies that keep answers back. */
export type Way = "websocket" | "stream" | "poll";
export interface PipeEvents {
    /** The hello may be sent. */
    ready(): void;
    /** There is a server at the other end. */
    opened(): void;
    received(data: unknown): void;
    /** Once, unless the page closed it. */
    closed(code: number): void;
}
export interface Pipe {
    send(text: string): void;
    close(): void;
}
export declare function openPipe(way: Way, base: string, events: PipeEvents): Pipe;
export declare function socketUrl(base: string): string;
