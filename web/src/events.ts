// Reads text/event-stream, however it is cut into pieces.

export interface StreamEvent {
  readonly event: string;
  readonly data: string;
}

export class Events {
  private rest = "";
  private event = "";
  private data: string[] = [];

  /** The events that this piece completes. */
  take(piece: string): StreamEvent[] {
    const lines = (this.rest + piece).split("\n");
    this.rest = lines.pop() ?? "";
    const complete: StreamEvent[] = [];
    for (const line of lines) this.line(line.endsWith("\r") ? line.slice(0, -1) : line, complete);
    return complete;
  }

  private line(line: string, complete: StreamEvent[]): void {
    if (!line) {
      if (this.data.length) complete.push({ event: this.event || "message", data: this.data.join("\n") });
      this.event = "";
      this.data = [];
      return;
    }
    const [, name, value = ""] = /^([^:]*)(?:: ?(.*))?$/s.exec(line) ?? [];
    if (name === "event") this.event = value;
    if (name === "data") this.data.push(value);
  }
}
