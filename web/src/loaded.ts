// Whether this tab has loaded the content of a resource as its holder, which is remembered over a reload.
//
// The load of a new holder tells the application to let no save of an earlier one in any more. A page that was reloaded before
// that load had ended holds the lock, but nothing has told the application: it has to load once more.

const key = (resource: string): string => `editlock loaded ${resource}`;

/** The fence with which this tab last loaded the resource; 0 if it did not. */
export function loadedWith(resource: string): number {
  try {
    return Number(sessionStorage.getItem(key(resource))) || 0;
  } catch {
    return 0;
  }
}

/** Notes such a load; with 0, that the holding is over. */
export function noteLoaded(resource: string, fence: number): void {
  try {
    if (fence) sessionStorage.setItem(key(resource), String(fence));
    else sessionStorage.removeItem(key(resource));
  } catch {
    // Storage is full or forbidden: after a reload it is loaded once more.
  }
}
