/** The value of an attribute, or the first of those allowed. Another one is told of in the console, once. */
export declare function choice<T extends string>(element: Element, name: string, allowed: readonly [T, ...T[]]): T;
