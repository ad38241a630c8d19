// The panes: little windows with tabs, each of which is a real page in a frame.

const random = () => crypto.randomUUID?.() ?? String(Math.random()).slice(2);
export const thisWindow = random();

const paths = {
  usual: person => `/42?as=${person}`,
  editlock: person => `/articles/42?as=${person}&pane`,
};

/** One open page. */
class Tab {
  constructor(pane, url, fresh) {
    this.pane = pane;
    this.id = random();
    this.phase = "connecting";
    this.position = 0; // in the line
    this.calls = new Map();
    this.waits = new Set();
    this.url = url;
    this.frame = document.createElement("iframe");
    this.frame.name = `tab ${++pane.opened}`; // by which its session is found again
    this.frame.src = url + (fresh ? "&fresh" : "");
  }

  /** Takes what the page in the frame says. */
  hear(message) {
    if (message.phase) this.set(message.phase, message.position);
    const call = this.calls.get(message.id);
    if (!call) return;
    this.calls.delete(message.id);
    if (message.error) call.reject(new Error(message.error));
    else call.resolve(message.value);
  }

  set(phase, position = 0) {
    this.position = position;
    this.phase = this.frame.dataset.phase = phase;
    report(this, phase);
    for (const wait of this.waits) wait();
  }

  /** Has the page do something. */
  do(command, text) {
    return new Promise((resolve, reject) => {
      const id = random();
      this.calls.set(id, {resolve, reject});
      setTimeout(() => { if (this.calls.delete(id)) reject(new Error("the page does not answer")); }, 15000);
      this.frame.contentWindow.postMessage({command, id, text}, "*");
    });
  }

  /** Resolves when the page believes itself to be in a phase. */
  until(phase) {
    return new Promise((resolve, reject) => {
      const done = error => {
        clearTimeout(timer);
        this.waits.delete(look);
        error ? reject(error) : resolve();
      };
      const look = () => {
        if (this.phase === phase) done();
        else if (!this.phase) done(new Error("the page is closed"));
      };
      const timer = setTimeout(() => done(new Error(`the page is ${this.phase}, not ${phase}`)), 15000);
      this.waits.add(look);
      look();
    });
  }
}

// What the tabs believe goes to the referee in order: a later belief must not be overtaken by an earlier one.
let reports = Promise.resolve();
function report(tab, phase) {
  const {side, person} = tab.pane;
  const body = JSON.stringify({window: thisWindow, tab: tab.id, side, person, phase, position: tab.position});
  reports = reports.then(() => fetch("/demo/tab", {method: "POST", body})).catch(() => {});
}

/** The window of one person on one side. */
export class Pane {
  constructor(side, person, mend) {
    this.side = side;
    this.person = person;
    this.tabs = [];
    this.opened = 0; // so far
    const element = document.getElementById("pane").content.cloneNode(true).firstElementChild;
    element.dataset.person = person;
    element.setAttribute("aria-label", `${person}’s window`);
    element.querySelector(".person").dataset.person = person;
    element.querySelector(".avatar").textContent = person[0];
    element.querySelector(".name").textContent = person;
    element.querySelector(".open .hidden-text").textContent = `Open another tab of ${person}`;
    element.querySelector(".open").onclick = () => this.open();
    element.querySelector(".mend").onclick = mend;
    this.element = element;
  }

  get front() { return this.tabs.find(tab => tab === this.shown); }

  at(port) { this.base = `http://${location.hostname}:${port}`; }

  cut(yes) {
    this.element.toggleAttribute("data-cut", yes);
    this.element.querySelector(".mend").hidden = !yes;
  }

  /** Shows for a moment what a button did here. */
  mark(deed) {
    clearTimeout(this.marked);
    delete this.element.dataset.did;
    void this.element.offsetWidth; // the same twice is shown twice
    this.element.dataset.did = deed;
    this.marked = setTimeout(() => { delete this.element.dataset.did; }, 2500);
  }

  /** Opens a page; `fresh` forgets what earlier ones kept. */
  open(fresh = false) {
    const tab = new Tab(this, this.base + paths[this.side](this.person), fresh);
    this.tabs.push(tab);
    this.element.querySelector(".frames").append(tab.frame);
    report(tab, tab.phase);
    this.show(tab);
    return tab;
  }

  close(tab) {
    tab.frame.remove();
    this.tabs.splice(this.tabs.indexOf(tab), 1);
    tab.set("");
    this.show(this.tabs.at(-1));
  }

  show(tab) {
    this.shown = tab;
    const list = this.element.querySelector(".tabs");
    list.replaceChildren(...this.tabs.map((each, i) => {
      const item = document.createElement("li"), name = document.createElement("button"), x = document.createElement("button");
      const label = this.tabs.length === 1 ? "Article 42" : `Tab ${i + 1}`;
      item.className = each === tab ? "front" : "";
      each.frame.className = item.className;
      each.frame.title = `${this.person}, ${label}`;
      name.textContent = label;
      name.setAttribute("aria-pressed", String(each === tab));
      name.onclick = () => this.show(each);
      x.textContent = "×";
      x.className = "x";
      x.setAttribute("aria-label", `Close ${label} of ${this.person}`);
      x.onclick = () => this.close(each);
      item.append(name, x);
      return item;
    }));
  }
}

/** Gives what frames say to their tabs, and then says that there is news. */
export function listen(panes, news) {
  window.addEventListener("message", event => {
    if (!event.data?.pane) return;
    for (const pane of panes) {
      for (const tab of pane.tabs) if (tab.frame.contentWindow === event.source) tab.hear(event.data);
    }
    news();
  });
}
