// Attributes with a few allowed values.

const warned = new Set<string>();

/** The value of an attribute, or the first of those allowed. Another one is told of in the console, once. */
export function choice<T extends string>(element: Element, name: string, allowed: readonly [T, ...T[]]): T {
  const value = element.getAttribute(name) ?? "";
  const found = allowed.find((one) => one === value);
  if (value && !found && !warned.has(name + value)) {
    warned.add(name + value);
    console.warn(`editlock: <edit-lock ${name}="${value}"> is taken as ${allowed[0]}. Allowed are ${allowed.join(", ")}.`);
  }
  return found ?? allowed[0];
}
