// refresh="page": fetches this page again and takes the content of the same <edit-lock> out of it.
import type { Grant } from "./core.js";

/** How long to wait for a page that shows what the last holder released, before giving the lock back. */
const patience = 8000;

export interface Fresh {
  readonly content: Element;
  readonly version: string | null;
}

export class StaleError extends Error {
  override readonly name = "StaleError";
}

/** Loads content that is at least as new as `version`. Rejects when it cannot be had. */
export async function fetchFresh(url: string, tag: string, resource: string, version: string | null, grant: Grant): Promise<Fresh> {
  const began = Date.now();
  for (let attempt = 0; ; attempt++) {
    const last = Date.now() - began > patience;
    try {
      const fresh = await fetchOnce(url, tag, resource, grant);
      const newEnough = version === null || fresh.version === null ? "yes" : atLeast(fresh.version, version);
      // Versions without an order, such as hashes: another one is accepted once it stays so, or a save that nobody
      // named would lock everybody out.
      if (newEnough === "yes" || (last && newEnough === "unknown")) return fresh;
      if (last) throw new StaleError(`The page still shows version ${fresh.version}, but ${version} was saved.`);
    } catch (error) {
      if (last || grant.signal.aborted || error instanceof StaleError) throw error;
    }
    await pause(Math.min(2000, 150 * 2 ** attempt), grant.signal);
  }
}

async function fetchOnce(url: string, tag: string, resource: string, grant: Grant): Promise<Fresh> {
  const answer = await fetch(url, {
    cache: "no-store", credentials: "same-origin", signal: grant.signal,
    headers: { Accept: "text/html", ...grant.headers },
  });
  if (!answer.ok) throw new Error(`This page answered ${answer.status} when it was loaded again.`);
  const page = parse(await answer.text());
  const content = [...page.querySelectorAll(tag)].find((element) => element.getAttribute("resource") === resource);
  if (!content) throw new StaleError("This page does not show the form any more. Are you still logged in?");
  return { content, version: content.getAttribute("version") };
}

interface Policy {
  createHTML(html: string): string;
}

let policy: Policy | null = null;

/** Parses a page of this origin apart, where nothing of it runs; under Trusted Types by a policy named `editlock`. */
function parse(html: string): Document {
  const { trustedTypes } = globalThis as { trustedTypes?: { createPolicy(name: string, rules: Policy): Policy } };
  policy ??= trustedTypes?.createPolicy("editlock", { createHTML: (text) => text }) ?? null;
  return new DOMParser().parseFromString(policy ? policy.createHTML(html) : html, "text/html");
}

/** Whether one version is at least another: whole numbers and RFC 3339 times have an order, others do not. */
export function atLeast(shown: string, wanted: string): "yes" | "no" | "unknown" {
  if (shown === wanted) return "yes";
  if (/^\d+$/.test(shown) && /^\d+$/.test(wanted)) return BigInt(shown) >= BigInt(wanted) ? "yes" : "no";
  const time = /^\d{4}-\d\d-\d\dT\d\d:\d\d/;
  if (time.test(shown) && time.test(wanted)) return Date.parse(shown) >= Date.parse(wanted) ? "yes" : "no";
  return "unknown";
}

function pause(milliseconds: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(resolve, milliseconds);
    signal.addEventListener("abort", () => {
      clearTimeout(timer);
      reject(signal.reason);
    }, { once: true });
  });
}

/**
 * Whether two versions of the content would look the same to the person who edits it. Hidden fields are left out:
 * a cross-site token differs in every answer.
 */
export function sameContent(a: Element, b: Element): boolean {
  return comparable(a) === comparable(b);
}

function comparable(element: Element): string {
  const copy = element.cloneNode(true) as Element;
  for (const hidden of copy.querySelectorAll('input[type="hidden"]')) hidden.removeAttribute("value");
  for (const script of copy.querySelectorAll("script")) script.remove();
  return copy.innerHTML.replace(/\s+/g, " ").trim();
}

/** Takes only the values of hidden fields from fresh content that looks the same. */
export function takeHidden(into: Element, from: Element): void {
  for (const hidden of from.querySelectorAll<HTMLInputElement>('input[type="hidden"][name]')) {
    for (const field of into.querySelectorAll<HTMLInputElement>('input[type="hidden"]')) {
      if (field.name === hidden.name) field.value = hidden.value;
    }
  }
}
