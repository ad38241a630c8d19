import type { Grant } from "./core.js";
/** `edit-lock-refresh`: load the content, at least as new as `version`, and hand the promise to `waitUntil`. */
export interface RefreshDetail extends Grant {
    readonly version: string | null;
    waitUntil(promise: PromiseLike<unknown>): void;
}
/** Asks the application for fresh content. Resolves when it is shown. */
export declare function askApplication(element: Element, version: string | null, grant: Grant): Promise<void>;
