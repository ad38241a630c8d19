// Calls a person back to a hidden tab: the title and the icon change until the tab is seen.

let calling = false;

/** Changes title and icon while the page is hidden; does nothing on a page that is seen. */
export function callBack(text: string): void {
  if (calling || document.visibilityState !== "hidden") return;
  calling = true;
  const title = document.title;
  const shown = title ? `● ${text} – ${title}` : `● ${text}`;
  document.title = shown;
  const icon = icons();
  const ours = document.createElement("link");
  ours.rel = "icon";
  ours.href = dot;
  ours.dataset["editLock"] = "turn";
  for (const link of icon) link.rel = "editlock-icon";
  document.head.append(ours);
  const seen = (): void => {
    if (document.visibilityState !== "visible") return;
    document.removeEventListener("visibilitychange", seen);
    calling = false;
    // Whatever the page has changed meanwhile stays as it is.
    if (document.title === shown) document.title = title;
    ours.remove();
    for (const link of icon) link.rel = link.dataset["editLockRel"] ?? "icon";
  };
  document.addEventListener("visibilitychange", seen);
}

function icons(): HTMLLinkElement[] {
  const links = [...document.querySelectorAll<HTMLLinkElement>('link[rel~="icon"]')];
  for (const link of links) link.dataset["editLockRel"] = link.rel;
  return links;
}

const dot = "data:image/svg+xml," + encodeURIComponent(
  '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 32 32"><rect width="32" height="32" rx="8" fill="#15803d"/>' +
  '<path d="M9 17l5 5 9-11" fill="none" stroke="#fff" stroke-width="3.6" stroke-linecap="round" stroke-linejoin="round"/></svg>',
);
