/** Gives a shadow root its looks, without a style element that a content policy could refuse. */
export declare function dress(root: ShadowRoot): void;
/** Whether the page behind an element is dark: what is really painted there counts, not what the system prefers. */
export declare function onDark(element: Element): boolean;
