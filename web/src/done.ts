// "Save and close" in a plain form: the page that follows the save may release the lock at once.

const key = (resource: string): string => `editlock done ${resource}`;
const good = 60_000;

/** Remembers over the navigation that a save shall be the last. */
export function markDone(resource: string): void {
  try {
    sessionStorage.setItem(key(resource), String(Date.now()));
  } catch {
    // Without storage the lock is released a little later, by having left.
  }
}

/** Whether the page before this one ended with such a save; asks once. */
export function takeDone(resource: string): boolean {
  try {
    const at = Number(sessionStorage.getItem(key(resource)) ?? 0);
    sessionStorage.removeItem(key(resource));
    return Date.now() - at < good;
  } catch {
    return false;
  }
}

/** Whether this page was reached by a redirect, as after a form that was accepted, and not shown in answer to it. */
export function cameByRedirect(): boolean {
  const [entry] = performance.getEntriesByType("navigation");
  return entry instanceof PerformanceNavigationTiming && entry.redirectCount > 0;
}

/** Whether this page is the answer to something that was refused, as far as the browser tells. */
export function refusedPage(): boolean {
  const [entry] = performance.getEntriesByType("navigation");
  return entry instanceof PerformanceNavigationTiming && entry.responseStatus >= 400;
}
