// refresh="event": the application loads.
import type { Grant } from "./core.js";

/** `edit-lock-refresh`: load the content, at least as new as `version`, and hand the promise to `waitUntil`. */
export interface RefreshDetail extends Grant {
  readonly version: string | null;
  waitUntil(promise: PromiseLike<unknown>): void;
}

/** Asks the application for fresh content. Resolves when it is shown. */
export async function askApplication(element: Element, version: string | null, grant: Grant): Promise<void> {
  const promises: PromiseLike<unknown>[] = [];
  const waitUntil = (promise: PromiseLike<unknown>): void => void promises.push(promise);
  const detail: RefreshDetail = Object.freeze({ version, ...grant, waitUntil });
  element.dispatchEvent(new CustomEvent("edit-lock-refresh", { detail, bubbles: true, composed: true }));
  await Promise.all(promises);
  await drawn();
}

/** Frameworks show what they were given a moment later. A hidden page draws no frames. */
function drawn(): Promise<void> {
  return new Promise((resolve) => {
    const late = setTimeout(resolve, 100);
    requestAnimationFrame(() => {
      clearTimeout(late);
      setTimeout(resolve, 0);
    });
  });
}
