// What happens to pages: hidden, frozen, cached, offline, back again. Each return makes the editor read-only
// first and asks after. There is no unload handler: it would keep pages out of the back/forward cache.

interface Living {
  leave(): void;
  returned(suspect: boolean): void;
}

export function followLifecycle(page: Living): void {
  // An open socket or a held Web Lock keeps a page out of the back/forward cache, so both are given up here.
  window.addEventListener("pagehide", () => page.leave());
  window.addEventListener("pageshow", (event) => event.persisted && page.returned(true));
  document.addEventListener("resume", () => page.returned(true));
  window.addEventListener("online", () => page.returned(false));
  document.addEventListener("visibilitychange", () => {
    if (document.visibilityState === "visible") page.returned(false);
  });
}
