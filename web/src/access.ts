// The access token: where it comes from, and how long it is good for.
import { elapsed, type Clock, type Instant } from "./clock.js";
import { EditlockError } from "./link.js";

/** Gives an access token: a function of the page, or the URL of an endpoint that answers one. */
export type Auth = string | (() => string | Promise<string>);

export class Access {
  private token = "";
  private since: Instant;
  private lifetime = 0;
  /** A token was accepted: one that is refused from now on is somebody's who was logged in. */
  private good = false;

  constructor(private readonly auth: Auth, private readonly clock: Clock) {
    this.since = clock();
  }

  /** A token that is good for some seconds yet. */
  async get(): Promise<string> {
    if (!this.token || this.left() < 15) await this.renew();
    return this.token;
  }

  /** A new token, whatever there was. Rejects with `unauthenticated` or `token_unavailable`. */
  async renew(): Promise<string> {
    this.token = (typeof this.auth === "string" ? await fetchToken(this.auth) : await ask(this.auth, this.good)).trim();
    // Until the server says more: long enough for the hello.
    this.lasts(30);
    return this.token;
  }

  /** The server has taken the token in use. */
  accepted(seconds: number): void {
    this.good = true;
    if (seconds > 0) this.lasts(seconds);
  }

  /** Says whose fault it is that the server refuses the token: nobody's log-in, if it has never taken one. */
  refused(error: EditlockError): EditlockError {
    if (error.code !== "unauthenticated" || this.good) return error;
    const source = typeof this.auth === "string" ? this.auth : "the function auth";
    return new EditlockError("token_refused", `The lock server refuses the access token from ${source}: ${error.message}`);
  }

  private lasts(seconds: number): void {
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

function unavailable(source: string, cause: string): EditlockError {
  return new EditlockError("token_unavailable", `The page could not get an access token: ${source} ${cause}.`);
}

async function ask(auth: () => string | Promise<string>, good: boolean): Promise<string> {
  let token: unknown;
  try {
    token = await auth();
  } catch (error) {
    if (error instanceof EditlockError) throw error;
    throw unavailable("the function auth", `failed: ${String(error)}`);
  }
  if (typeof token === "string" && token.trim()) return token;
  if (good) throw new EditlockError("unauthenticated", "The function auth gives no access token any more. Log in again.");
  throw unavailable("the function auth", "gave none");
}

async function fetchToken(url: string): Promise<string> {
  let answer: Response, text: string;
  try {
    answer = await fetch(url, {
      credentials: "same-origin", cache: "no-store", headers: { Accept: "application/json, text/plain" },
    });
    text = await answer.text();
  } catch (error) {
    throw unavailable(url, `cannot be reached: ${String(error)}`);
  }
  const { status } = answer;
  if (status === 401 || status === 403) {
    throw new EditlockError("unauthenticated", `No access token: ${url} answered ${status}. Log in again.`);
  }
  const said = `answered ${status}${answer.redirected ? `, redirected to ${answer.url}` : ""}`;
  if (!answer.ok) throw unavailable(url, said);
  // What was answered is not repeated anywhere: it may hold a token.
  const html = /html/.test(answer.headers.get("Content-Type") ?? "") || text.trimStart().startsWith("<");
  if (html) throw unavailable(url, `${said}, with HTML instead of a token`);
  const token = text.trimStart().startsWith("{") ? tokenIn(text) : text.trim();
  if (!token) throw unavailable(url, `${said}, without a token`);
  return token;
}

function tokenIn(json: string): string {
  try {
    const { token } = JSON.parse(json) as { token?: unknown };
    return typeof token === "string" ? token.trim() : "";
  } catch {
    return "";
  }
}
