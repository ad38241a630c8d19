// The access token: where it comes from, and how long it is good for.
import { elapsed, type Clock, type Instant } from "./clock.js";
import { EditlockError } from "./link.js";

/** Gives an access token: a function of the page, or the URL of an endpoint that answers one. */
export type Auth = string | (() => string | Promise<string>);

export class Access {
  private token = "";
  private since: Instant;
  private lifetime = 0;

  constructor(private readonly auth: Auth, private readonly clock: Clock) {
    this.since = clock();
  }

  /** A token that is good for some seconds yet. */
  async get(): Promise<string> {
    if (!this.token || this.left() < 15) await this.renew();
    return this.token;
  }

  /** A new token, whatever there was. */
  async renew(): Promise<string> {
    this.token = (typeof this.auth === "string" ? await fetchToken(this.auth) : await this.auth()).trim();
    // Until the server says more: long enough for the hello.
    this.lasts(30);
    if (!this.token) throw new EditlockError("unauthenticated", "There is no access token. Log in again.");
    return this.token;
  }

  /** What the server said about the token in use, in seconds from now. */
  lasts(seconds: number): void {
    this.since = this.clock();
    this.lifetime = seconds;
  }

  forget(): void {
    this.token = "";
  }

  /** Whether to get the next one, some heartbeats early: hidden pages run no timer in time. */
  due(heartbeat: number): boolean {
    return this.left() < Math.min(60, this.lifetime / 3) + 2 * heartbeat;
  }

  private left(): number {
    return this.lifetime - elapsed(this.since, this.clock());
  }
}

async function fetchToken(url: string): Promise<string> {
  const answer = await fetch(url, {
    credentials: "same-origin", cache: "no-store", headers: { Accept: "application/json, text/plain" },
  });
  if (!answer.ok) {
    throw new EditlockError("unauthenticated", `No access token: ${url} answered ${answer.status}. Log in again.`);
  }
  const text = await answer.text();
  if (!text.trimStart().startsWith("{")) return text;
  const body: unknown = JSON.parse(text);
  const token = typeof body === "object" && body !== null ? (body as { token?: unknown }).token : null;
  return typeof token === "string" ? token : "";
}
