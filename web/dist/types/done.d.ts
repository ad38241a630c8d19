/** Remembers over the navigation that a save shall be the last. */
export declare function markDone(resource: string): void;
/** Whether the page before this one ended with such a save; asks once. */
export declare function takeDone(resource: string): boolean;
/** Whether this page was reached by a redirect, as after a form that was accepted, and not shown in answer to it. */
export declare function cameByRedirect(): boolean;
/** Whether this page is the answer to something that was refused, as far as the browser tells. */
export declare function refusedPage(): boolean;
