// Which way to connect: by WebSocket, and only where a proxy lets none through, without.
import type { Way } from "./pipe.js";

/** Milliseconds until a WebSocket is tried again: after it has failed first, and at most. */
const again = { first: 30_000, most: 600_000 };
/** How often in a row a page whose WebSockets worked takes the failure of one for that of the server. */
const doubts = 3;

interface Kept {
  readonly way: Way;
  /** Until then this way is taken at once; after that a WebSocket is tried. By the wall clock, and `wait` milliseconds long. */
  readonly until: number;
  readonly wait: number;
}

type Kind = Pick<Storage, "getItem" | "setItem" | "removeItem">;

export class Ways {
  /** What the documents of this tab have found out. */
  private kept: Kept | null;
  /** WebSockets that failed in a row. */
  private failed = 0;
  /** A WebSocket worked in this document. */
  private proven = false;

  constructor(
    private readonly key: string, private readonly forced: Way | null,
    private readonly now: () => number = Date.now, private readonly storage: () => Kind = () => sessionStorage,
  ) {
    this.kept = this.read();
  }

  /** The way to take, on an attempt that does not follow on the failure of another way. */
  next(): Way {
    return this.forced ?? (this.kept && this.now() < this.kept.until ? this.kept.way : "websocket");
  }

  /** Whether it is time to see if a WebSocket gets through, beside a connection that works without. */
  due(): boolean {
    return this.next() === "websocket";
  }

  /** A connection was welcomed. */
  works(way: Way): void {
    this.failed = 0;
    if (way === "websocket") {
      this.proven = true;
      this.keep(null);
    } else if (this.kept?.way !== way) {
      this.keep({ way, until: this.now() + again.first, wait: again.first });
    } else if (this.now() >= this.kept.until) {
      this.closed();
    }
  }

  /** A WebSocket was tried once more, and did not get through, while another way works. */
  closed(): void {
    if (!this.kept) return;
    const wait = Math.min(again.most, this.kept.wait * 3);
    this.keep({ way: this.kept.way, until: this.now() + wait, wait });
  }

  /**
   * A connection ended before any server was heard on it: by a refusal, or in silence. Returns another way that is worth
   * trying at once. If that fails too the server is down, and nothing is concluded.
   */
  fails(way: Way, silence: boolean): Way | null {
    if (this.forced) return null;
    if (way === "websocket") return this.proven && ++this.failed < doubts ? null : "stream";
    return way === "stream" && silence ? "poll" : null;
  }

  private keep(kept: Kept | null): void {
    this.kept = kept;
    try {
      if (kept) this.storage().setItem(this.key, JSON.stringify(kept));
      else this.storage().removeItem(this.key);
    } catch {
      // Storage is full or forbidden: the next document finds out by itself.
    }
  }

  private read(): Kept | null {
    try {
      const value = JSON.parse(this.storage().getItem(this.key) ?? "null") as Partial<Kept> | null;
      const { way, until, wait } = value ?? {};
      if ((way !== "stream" && way !== "poll") || typeof until !== "number" || typeof wait !== "number") return null;
      return { way, until: Math.min(until, this.now() + again.most), wait };
    } catch {
      return null;
    }
  }
}
