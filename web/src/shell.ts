// The inside of the shadow root: the notice, the container that makes the form inert, and the live region.
import { dress } from "./styles.js";

/** What elements are made of. Where there are none, as in a server that renders pages, the class can be named all the same. */
export const Base: typeof HTMLElement = globalThis.HTMLElement ?? class {};

export interface Shell {
  readonly box: HTMLElement;
  /** Inert from in here, so that no change of the page's own tree can undo it. */
  readonly content: HTMLElement;
  /** Spoken by screen readers when they have finished what they are saying. */
  readonly live: HTMLElement;
}

export function build(host: HTMLElement, bar: HTMLElement): Shell {
  const shadow = host.attachShadow({ mode: "open" });
  dress(shadow);
  const box = document.createElement("div");
  box.className = "root";
  box.setAttribute("part", "root");
  const content = document.createElement("div");
  content.className = "content";
  content.setAttribute("part", "content");
  content.inert = true;
  content.append(document.createElement("slot"));
  const live = document.createElement("div");
  live.className = "live";
  live.setAttribute("role", "status");
  live.setAttribute("aria-live", "polite");
  box.append(bar, content, live);
  shadow.append(box);
  return { box, content, live };
}
