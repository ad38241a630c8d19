// <edit-lock>: a form that exactly one person edits. The class only; define.ts registers it.
import { clientFor } from "./api.js";
import { askApplication } from "./application.js";
import { callBack } from "./attention.js";
import { Bar, type Values } from "./bar.js";
import { choice } from "./choice.js";
import type { Client } from "./client.js";
import type { Core, Grant } from "./core.js";
import { cameByRedirect, markDone, takeDone } from "./done.js";
import { FocusKeeper } from "./focus.js";
import { protect, unprotect, type Guarded } from "./guard.js";
import { Lock } from "./handle.js";
import { Keeper } from "./keeper.js";
import { languageOf, messagesFor, type Messages } from "./messages.js";
import { nameless, notice, slow, type Action, type Notice, type Situation } from "./notice.js";
import { fetchFresh, sameContent, takeHidden } from "./page.js";
import { Base, build } from "./shell.js";
import { freeToType, idle, mayReclaim, type LockSnapshot } from "./snapshot.js";
import { onDark } from "./styles.js";

export type { RefreshDetail } from "./application.js";

type Start = "open" | "edit" | "manual";

/** How long the good news stays. */
const arrivedFor = 6000;

export class EditLockElement extends Base implements Guarded {
  static readonly observedAttributes = ["resource", "lang", "dir", "theme", "version"];

  private readonly bar = new Bar((action) => void this.perform(action));
  private readonly shell = build(this, this.bar.root);
  private keeper = new Keeper(this, "");
  private readonly focusKeeper = new FocusKeeper(this);
  private client: Client | null = null;
  private core: Core | null = null;
  private handle: Lock | null = null;
  /** The resource whose content the fields were made for. */
  private named: string | null = null;
  /** They still show another one: closed until this one's content is loaded. */
  private foreign = false;
  private shown: LockSnapshot | null = null;
  private source: Element | null = null;
  private arrived: Situation["arrived"] = null;
  /** The first keystroke has asked for the lock, and typing goes on until somebody else turns out to hold it. */
  private eager = false;
  private waited = false;
  private pending: { form: HTMLFormElement; submitter: HTMLElement | null } | null = null;
  private done = false;
  /** The save that led here was the last: what the session still holds is to be released. */
  private closing = false;
  private said = "";
  private saidTitle = "";
  private ticking = 0;
  private delayed = 0;
  private leaving = 0;
  private complaining = 0;

  constructor() {
    super();
    // The first keystroke: asked for while it happens, so that nothing has to be held back. A change that the browser
    // tells of comes when the field is left, as when the form closes: nothing is typed by it.
    const typed = (event: Event): void => void ((event.isTrusted && event.type === "change") || this.typed());
    for (const type of ["beforeinput", "input", "change"]) this.addEventListener(type, typed, true);
  }

  /** The lock behind the element: the same object that `editlock.open` gives to scripts. Null while not in a page. */
  get lock(): Lock | null {
    return this.handle;
  }

  get resource(): string {
    return this.getAttribute("resource") ?? "";
  }

  get start(): Start {
    return choice(this, "start", ["open", "edit", "manual"]);
  }

  connectedCallback(): void {
    // Taken out and put in again within one task: a move, nothing has happened.
    clearTimeout(this.leaving);
    protect(this);
    if (this.handle && this.named !== this.resource) this.tearDown();
    if (!this.handle) this.setUp();
    this.render();
  }

  disconnectedCallback(): void {
    // A router takes it out for good, and the element that comes in its place looks at once what there is.
    this.keeper.stash();
    this.leaving = window.setTimeout(() => this.isConnected || this.tearDown(), 0);
  }

  attributeChangedCallback(name: string, before: string | null, now: string | null): void {
    if (before === now || !this.isConnected) return;
    if (name === "resource") {
      this.tearDown();
      protect(this);
      this.setUp();
    }
    this.render();
  }

  private setUp(): void {
    clearTimeout(this.complaining);
    if (!this.resource.trim()) return void (this.complaining = window.setTimeout(() => this.complain(), 0));
    const url = this.getAttribute("server-url");
    const auth = this.getAttribute("auth-url");
    const other = this.named !== null && this.named !== this.resource;
    if (other) this.keeper.clear();
    this.keeper = new Keeper(this, this.resource);
    const transport = choice(this, "transport", ["auto", "websocket", "stream", "poll"]);
    this.client = clientFor({ ...(url ? { url } : {}), ...(auth ? { auth: new URL(auth, document.baseURI).href } : {}), transport });
    const refresh = choice(this, "refresh", ["page", "event", "none"]);
    this.foreign = refresh !== "none" && (other || this.foreign);
    this.named = this.resource;
    this.closing = takeDone(this.resource) && cameByRedirect();
    this.core = this.client.core(this.resource);
    this.handle = new Lock(this.core, this.client, {
      start: this.closing ? "manual" : this.start,
      ...(refresh === "none" ? {} : { refresh: (version, grant) => this.refresh(refresh, version, grant) }),
    });
    this.handle.subscribe((snapshot) => this.changed(snapshot));
    this.client.troubles.add(this.renderSoon);
    this.ticking = window.setInterval(() => this.tick(), 10_000);
    this.remember();
    this.keeper.recover();
    // Held already, by another part of the page or by the element that was here before: no change will tell.
    const { handle } = this;
    if (handle.snapshot.state === "held") queueMicrotask(() => this.handle === handle && this.entered("connecting"));
  }

  /** Scripts may name the resource a moment after they put the element in. */
  private complain(): void {
    if (this.isConnected && !this.handle) console.error("editlock: <edit-lock> needs the attribute resource, such as article/42. Its form stays closed.", this);
  }

  private tearDown(): void {
    unprotect(this);
    clearInterval(this.ticking);
    clearTimeout(this.delayed);
    if (this.handle && this.named !== this.resource) this.keeper.stashWritten();
    this.keeper.close();
    this.client?.troubles.delete(this.renderSoon);
    this.handle?.close();
    this.handle = this.core = this.client = this.shown = this.source = this.pending = this.arrived = null;
    this.eager = this.done = false;
  }

  /** Remembers how the content came from the server, to see later whether fresh content differs. */
  private remember(): void {
    const keep = (): void => {
      this.source ??= this.cloneNode(true) as Element;
    };
    if (document.readyState === "loading") document.addEventListener("DOMContentLoaded", keep, { once: true });
    else queueMicrotask(keep);
  }

  // What happens.

  private changed(snapshot: LockSnapshot): void {
    const before = this.shown?.state ?? "connecting";
    const now = snapshot.state;
    this.shown = snapshot;
    if (now === "waiting" && this.eager) {
      // Somebody was faster: what was typed so far is kept for later.
      this.eager = false;
      this.keeper.keep();
      this.pending = null;
    }
    if (now === "watching" || now === "lost") this.eager = false;
    if (now === "lost" && before !== "lost") {
      this.keeper.keep();
      if (mayReclaim(snapshot)) queueMicrotask(() => this.handle?.acquire({ wait: false }));
    }
    if (now === "held" && before !== "held") this.entered(before);
    if (this.closing && now !== "connecting") {
      this.closing = false;
      void this.handle?.release();
    }
    if (now === "lost" || now === "waiting" || (now === "watching" && !this.eager)) this.pending = null;
    this.render();
    if (before !== now) {
      this.dispatchEvent(new CustomEvent("edit-lock-change", { detail: snapshot, bubbles: true, composed: true }));
    }
  }

  private entered(before: string): void {
    const { handle } = this;
    // Not loaded for this element: a lock that goes on, from before or from another part of the page.
    if (this.foreign) return queueMicrotask(() => this.foreign && this.handle === handle && this.core?.dispatch({ type: "reload" }));
    this.eager = false;
    if (before !== "unsure") this.keeper.putBack(false);
    if (before === "refreshing" && this.waited) {
      this.arrived = this.keeper.dirty ? "typed" : "fresh";
      setTimeout(() => {
        this.arrived = null;
        this.render();
      }, arrivedFor);
      callBack(this.messages.titleTurn);
    }
    this.waited = false;
    const save = this.pending;
    this.pending = null;
    if (save?.form.isConnected) setTimeout(() => this.handle === handle && save.form.requestSubmit(save.submitter), 0);
    this.render();
  }

  private typed(): void {
    if (this.keeper.holds) this.render();
    if (this.start !== "edit" || this.eager || !this.handle) return;
    const { state } = this.handle.snapshot;
    if (state !== "watching" && state !== "connecting") return;
    this.eager = true;
    this.handle.acquire();
  }

  // Fresh content.

  private async refresh(how: string, version: string | null, grant: Grant): Promise<void> {
    const { named } = this;
    const stillHere = (): void => {
      if (this.named !== named || this.resource !== named) throw new Error("The form shows another record by now.");
    };
    if (how === "event") {
      await this.keeper.during(() => askApplication(this, version, grant));
      stillHere();
    } else {
      const url = this.getAttribute("refresh-url") ?? location.href;
      const fresh = await fetchFresh(url, this.localName, this.resource, version, grant);
      stillHere();
      this.keeper.keep();
      this.focusKeeper.during(() => {
        this.replace(fresh.content);
        if (fresh.version !== null) this.setAttribute("version", fresh.version);
        this.keeper.putBack(false);
      });
    }
    this.foreign = false;
    this.keeper.putBack(false);
  }

  private replace(fresh: Element): void {
    const source = this.source;
    this.source = fresh.cloneNode(true) as Element;
    if (source && !this.foreign && sameContent(source, fresh)) {
      takeHidden(this, fresh);
      return;
    }
    this.replaceChildren(...document.importNode(fresh, true).childNodes);
    this.keeper.replaced();
    this.dispatchEvent(new CustomEvent("edit-lock-refreshed", { bubbles: true, composed: true }));
  }

  // Saves. See guard.ts for when these are called.

  get open(): boolean {
    return !this.shell.content.inert;
  }

  permit(): "go" | "later" | "refuse" {
    if (!this.handle || this.foreign) return "refuse";
    const { state } = this.handle.snapshot;
    if (state === "held") return this.handle.token() ? "go" : "later";
    if (state === "unsure" || this.eager) return "later";
    return this.start === "edit" && this.open ? "later" : "refuse";
  }

  token(): string | null {
    return this.foreign ? null : this.handle?.token() ?? null;
  }

  saveLater(form: HTMLFormElement, submitter: HTMLElement | null): void {
    this.pending = { form, submitter };
    this.typed();
    this.render();
    const lock = this.handle;
    // Held, but without a fresh token: the next heartbeat brings one.
    if (lock?.snapshot.state === "held") void lock.headers().then(() => this.handle === lock && this.entered("unsure"), () => undefined);
  }

  refuseSave(): void {
    this.say(this.permit() === "later" ? this.messages.unsureDetail : this.messages.refused);
    this.bar.nudge();
  }

  saving(submitter: HTMLElement | null): void {
    this.done = submitter?.hasAttribute("data-edit-lock-done") ?? false;
  }

  submitted(): void {
    this.keeper.leavingWithForm();
    if (this.done) markDone(this.resource);
  }

  /**
   * To be called after a save that did not leave the page. What is there counts as saved; after a button with
   * `data-edit-lock-done`, or with `done`, the lock is released. `version` names what was saved.
   */
  saved(options: { version?: string; done?: boolean } = {}): void {
    this.keeper.saved();
    const { version } = options;
    if (version !== undefined) this.setAttribute("version", version);
    if (options.done ?? this.done) void this.handle?.release(version === undefined ? {} : { version });
    else if (version !== undefined && this.shown?.state === "held") void this.handle?.changed(version).catch(() => undefined);
    this.done = false;
    this.render();
  }

  private async perform(action: Action): Promise<void> {
    const lock = this.handle;
    if (!lock) return;
    switch (action) {
      case "stop":
        return lock.cancel();
      case "wait":
      case "edit":
      case "retry":
        return lock.acquire();
      case "move":
        return lock.acquire({ move: true });
      case "copy":
        await navigator.clipboard?.writeText(lock.snapshot.state === "held" ? this.keeper.text : this.keeper.all);
        return this.say(this.messages.copied);
      case "restore":
        this.keeper.putBack(true);
        return this.render();
      case "dismiss":
        this.keeper.dismiss();
        return this.render();
    }
  }

  // What is shown.

  private get messages(): Messages {
    return messagesFor(languageOf(this));
  }

  private get values(): Values {
    const snapshot = this.shown ?? this.handle?.snapshot ?? idle;
    return { snapshot, language: languageOf(this), messages: this.messages, now: Date.now() };
  }

  private tick(): void {
    if (this.handle && document.visibilityState === "visible") this.bar.tick(this.values);
  }

  private readonly renderSoon = (): void => this.render();

  private render(): void {
    const lock = this.handle;
    this.shell.box.dataset["theme"] = this.getAttribute("theme") ?? (onDark(this) ? "dark" : "light");
    if (!lock) {
      this.setOpen(false);
      delete this.dataset["state"];
      return this.showNotice(nameless);
    }
    const snapshot = (this.shown ??= lock.snapshot);
    if (snapshot.state === "waiting") this.waited = true;
    this.setOpen(!this.foreign && (snapshot.editable || (this.start === "edit" && freeToType(snapshot, this.eager, this.client?.trouble?.code))));
    const connecting = snapshot.state === "connecting" && !this.client?.trouble;
    this.shell.content.dataset["dim"] = snapshot.state === "lost" ? "less" : connecting || snapshot.state === "unsure" ? "not" : "";
    this.dataset["state"] = snapshot.state;
    const text = notice(snapshot, {
      start: this.foreign && this.start === "edit" ? "manual" : this.start, trouble: this.client?.trouble ?? null,
      dirty: this.keeper.dirty || this.keeper.holds, arrived: this.arrived,
      draft: snapshot.state === "held" ? this.keeper.offer : this.keeper.holds && snapshot.state !== "lost" ? "one" : null, saving: this.pending !== null,
      overdue: this.client?.overdue ?? false,
    });
    clearTimeout(this.delayed);
    const patience = text ? slow[text.title] ?? 0 : 0;
    if (patience && !(text?.title === this.saidTitle)) this.delayed = window.setTimeout(() => this.showNotice(text), patience);
    else this.showNotice(text);
  }

  private showNotice(text: Notice | null): void {
    this.saidTitle = text?.title ?? "";
    const values = this.values;
    this.bar.show(text, values);
    if (text) this.say(Bar.text(text, values));
    else this.said = this.shell.live.textContent = "";
  }

  private setOpen(open: boolean): void {
    if (this.shell.content.inert !== open) return;
    if (!open) this.focusKeeper.note();
    this.shell.content.inert = !open;
    if (open) this.focusKeeper.giveBack();
  }

  /** Says a thing to screen readers, once. */
  private say(text: string): void {
    if (text === this.said) return;
    this.said = this.shell.live.textContent = text;
  }
}
