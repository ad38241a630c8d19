import type { Grant } from "./core.js";
export interface Fresh {
    readonly content: Element;
    readonly version: string | null;
}
export declare class StaleError extends Error {
    readonly name = "StaleError";
}
/** Loads content that is at least as new as `version`. Rejects when it cannot be had. */
export declare function fetchFresh(url: string, tag: string, resource: string, version: string | null, grant: Grant): Promise<Fresh>;
/** Whether one version is at least another: whole numbers and RFC 3339 times have an order, others do not. */
export declare function atLeast(shown: string, wanted: string): "yes" | "no" | "unknown";
/**
 * Whether two versions of the content would look the same to the person who edits it. Hidden fields are left out:
 * a cross-site token differs in every answer.
 */
export declare function sameContent(a: Element, b: Element): boolean;
/** Takes only the values of hidden fields from fresh content that looks the same. */
export declare function takeHidden(into: Element, from: Element): void;
