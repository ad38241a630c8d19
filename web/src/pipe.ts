// What carries the frames of one connection: a WebSocket, or, where a proxy is in its way, requests (docs/spec.md, 2.5).
import { Events } from "./events.js";
import { subprotocol } from "./protocol.js";
import { random } from "./slot.js";

/** How a page is connected: `poll` is a stream whose answers end with each frame, for proxies that keep answers back. */
export type Way = "websocket" | "stream" | "poll";

export interface PipeEvents {
  /** The hello may be sent. */
  ready(): void;
  /** There is a server at the other end. */
  opened(): void;
  received(data: unknown): void;
  /** Once, unless the page closed it. */
  closed(code: number): void;
}

export interface Pipe {
  send(text: string): void;
  close(): void;
}

export function openPipe(way: Way, base: string, events: PipeEvents): Pipe {
  return way === "websocket" ? openSocket(base, events) : new Stream(base, way === "poll", events);
}

export function socketUrl(base: string): string {
  return `${base.replace(/^http/, "ws")}/v1/socket`;
}

function openSocket(base: string, events: PipeEvents): Pipe {
  const socket = new WebSocket(socketUrl(base), subprotocol);
  socket.onopen = () => {
    events.opened();
    events.ready();
  };
  socket.onmessage = (message) => events.received(message.data);
  socket.onclose = (close) => events.closed(close.code);
  return {
    send: (text) => {
      if (socket.readyState === WebSocket.OPEN) socket.send(text);
    },
    close: () => socket.close(1000),
  };
}

/** The most that goes in one request: of frames, and of characters, each of which may be three bytes. */
const most = { frames: 20, characters: 16 << 10 };
/** How often a request is made whose answer does not come. It does nothing a second time. */
const tries = 3;
/** Milliseconds for the stream itself to say why it ended, when a request finds it gone. */
const lastWords = 1000;

class Stream implements Pipe {
  private readonly url: string;
  private readonly over = new AbortController();
  private readonly waiting: string[] = [];
  private key = "";
  private posts = 0;
  private begun = false;
  private posting = false;

  constructor(base: string, private readonly polls: boolean, private readonly events: PipeEvents) {
    this.url = `${base}/v1/stream/${random()}`;
    queueMicrotask(() => events.ready());
  }

  send(text: string): void {
    this.waiting.push(text);
    if (this.begun) return void this.post();
    this.begun = true;
    void this.receive();
  }

  close(): void {
    this.over.abort();
  }

  private end(code: number): void {
    if (this.over.signal.aborted) return;
    this.close();
    this.events.closed(code);
  }

  private request(head: object, frames: readonly string[]): Promise<Response> {
    return fetch(this.url, {
      method: "POST", cache: "no-store", credentials: "same-origin", signal: this.over.signal,
      headers: { "Content-Type": "text/plain" }, body: [JSON.stringify(head), ...frames, ""].join("\n"),
    });
  }

  private async receive(): Promise<void> {
    try {
      let answer = await this.request({ open: this.polls ? "poll" : "stream" }, this.waiting.splice(0));
      for (let poll = 2; await this.read(answer); poll++) answer = await this.request({ key: this.key, poll }, []);
    } catch {
      // Refused, or broken off.
    }
    this.end(1006);
  }

  /** Reads an answer to its end, and says whether to ask for another. */
  private async read(answer: Response): Promise<boolean> {
    if (!answer.ok || !answer.body || !answer.headers.get("Content-Type")?.startsWith("text/event-stream")) return false;
    const reader = answer.body.getReader();
    const decoder = new TextDecoder();
    const events = new Events();
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return this.polls && this.key !== "";
      for (const { event, data } of events.take(decoder.decode(value, { stream: true }))) this.take(event, data);
    }
  }

  private take(event: string, data: string): void {
    if (this.over.signal.aborted) return;
    if (event === "message") return this.events.received(data);
    if (event !== "open" && event !== "close") return;
    const { key, code } = JSON.parse(data) as { key?: unknown; code?: unknown };
    if (event === "close") return this.end(typeof code === "number" ? code : 1006);
    this.key = String(key);
    this.events.opened();
    void this.post();
  }

  /** Posts what waits, one request after the other, so that nothing overtakes. */
  private async post(): Promise<void> {
    if (this.posting || !this.key) return;
    this.posting = true;
    while (this.waiting.length && !this.over.signal.aborted) {
      let size = 0;
      const end = this.waiting.findIndex((text, i) => i > 0 && (i >= most.frames || size + text.length > most.characters) || !(size += text.length));
      if (!(await this.posted(this.waiting.splice(0, end < 0 ? Infinity : end)))) return;
    }
    this.posting = false;
  }

  private async posted(frames: readonly string[]): Promise<boolean> {
    const head = { key: this.key, post: ++this.posts };
    for (let i = 0; i < tries && !this.over.signal.aborted; i++) {
      const status = await this.request(head, frames).then((answer) => answer.status, () => 0);
      if (status === 204) return true;
      if (status === 404) break;
    }
    setTimeout(() => this.end(1006), lastWords);
    return false;
  }
}
