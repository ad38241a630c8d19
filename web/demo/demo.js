// The page "Try to get it stuck": shows what the referee sees, and does what the buttons say, on both sides.
import {Lanes} from "./lanes.js";
import {Pane, listen, thisWindow} from "./panes.js";
import {offer, stage} from "./stage.js";

const people = ["Ana", "Ben"];
const other = person => people.find(each => each !== person);
const $ = (selector, root = document) => root.querySelector(selector);

/** One half of the page. */
class Side {
  constructor(element) {
    this.element = element;
    this.name = element.dataset.side;
    this.title = $("h2", element).textContent;
    element.append($("#side").content.cloneNode(true));
    this.panes = Object.fromEntries(people.map(person =>
      [person, new Pane(this.name, person, () => control({action: "restore", side: this.name, person}))]));
    $(".panes", element).append(...people.map(person => this.panes[person].element));
    this.lanes = new Lanes($("canvas", element));
  }

  /** Whose page the buttons act on: the holder's, and where that is gone, that of whoever is there. */
  get who() {
    const there = people.filter(person => this.panes[person].front);
    return there.find(person => person === this.state.holder) ?? there.find(person => this.panes[person].front.phase === "waiting") ?? there[0] ?? "";
  }

  /** Opens the pages, and says who of the two is kept from the article; stops when that is over. */
  async start(goesOn) {
    // Ana is first. Should she be kept from it, Ben does not wait for her.
    const ana = this.panes.Ana.open(true);
    await ana.until("editing").catch(() => {});
    if (!goesOn()) return "";
    await this.panes.Ben.open(true).until("waiting").catch(() => {});
    return ana.phase === "waiting" ? "Ana" : "";
  }

  /** Says so while the pages are on their way to where the game begins, and keeps hands off them. */
  settle(yes) {
    this.settling = yes;
    this.element.toggleAttribute("data-settling", yes);
    $(".panes", this.element).inert = yes;
    if (this.state) this.show(this.state);
    else this.tell();
  }

  /** Has everybody give back what they have: those in line first, so that nobody is let in on the way out. */
  async release() {
    const tabs = people.flatMap(person => this.panes[person].tabs), waiting = tabs.filter(tab => tab.phase === "waiting");
    for (const some of [waiting, tabs.filter(tab => !waiting.includes(tab))]) {
      await Promise.all(some.map(tab => Promise.race([tab.do("leave"), new Promise(resolve => setTimeout(resolve, 3000))]).catch(() => {})));
    }
  }

  stop() {
    for (const person of people) for (const tab of [...this.panes[person].tabs]) this.panes[person].close(tab);
  }

  show(state) {
    this.state = state;
    this.element.dataset.up = state.up;
    for (const person of people) {
      this.panes[person].at(state.ports[person]);
      this.panes[person].cut(state.cut.includes(person));
    }
    this.tell();
    const holder = $("[data-show=holder]", this.element), waiting = $("[data-show=waiting]", this.element);
    if (this.settling) return [holder, waiting].forEach(each => each.replaceChildren("–"));
    holder.replaceChildren(...(state.holder ? [...named(state.holder)] : ["nobody"]));
    if (state.fence) holder.append(text("fence", `…${String(state.fence).slice(-5)}`, "Fence " + state.fence));
    if (state.lapsed) holder.append(text("empty", "lease over"));
    else if (state.empty_for) holder.append(text("empty", state.holder ? `not there, ${state.empty_for} s` : `for ${state.empty_for} s`));
    const known = state.waiting.filter(name => people.includes(name)), more = state.waiting.length - known.length;
    waiting.replaceChildren(...known.flatMap(named),
      ...(more ? [text("more", `+${more}`, "whose page is gone: it keeps its place for some seconds, should it come back")] : []),
      ...(state.waiting.length ? [] : ["nobody"]));
    for (const tile of this.element.querySelectorAll("[data-count]")) {
      const kind = tile.dataset.count, count = state.counts[kind];
      $("dd", tile).textContent = count;
      tile.toggleAttribute("data-bad", count > 0);
      tile.toggleAttribute("data-now", kind === "stuck" && state.stuck || kind === "double" && state.doubled);
    }
    this.lanes.note(state);
  }

  tell() {
    const {state} = this, story = $(".story", this.element);
    const telling = this.settling ? {tone: "busy", text: this.expected()} : state.story;
    story.dataset.tone = telling.text ? telling.tone : "quiet";
    const sentence = telling.text.replace(/…(?=\d)/g, "…\u2060") // the end of a fence stays in one line
      || "Nothing has happened yet. Press a button, or take part: type, save, close a tab.";
    if ($(".story > span", this.element)?.textContent !== sentence) story.replaceChildren(text("", sentence));
    const clear = $(".clear", story);
    if (this.name !== "usual") return;
    if (!this.settling && state.holder && state.empty_for > 2 && state.story.tone === "bad") {
      if (clear) return;
      const button = text("clear", "Clear it by hand", "UPDATE articles SET locked_by = NULL", "button");
      button.onclick = async () => {
        await control({action: "clear"});
        for (const person of people) for (const tab of this.panes[person].tabs) tab.frame.src = tab.frame.src;
      };
      story.append(button);
    } else clear?.remove();
  }

  expected() {
    return this.panes.Ana.front?.phase === "waiting"
      ? "Starting over. The article is still held: a page that was closed a moment ago has 5 s to come back, as after a reload …"
      : "Starting over. Ana opens the article to edit it, and then Ben, who waits …";
  }
}

function text(style, content, title = "", tag = "span") {
  const element = document.createElement(tag);
  element.className = style;
  element.textContent = content;
  element.title = title;
  return element;
}

function named(name) {
  const avatar = text("avatar", name[0]);
  avatar.dataset.person = name;
  avatar.ariaHidden = "true";
  return [avatar, name];
}

const sides = [...document.querySelectorAll(".side")].map(element => new Side(element));
sides.forEach(side => side.settle(true));
listen(sides.flatMap(side => Object.values(side.panes)), () => able());

// What the buttons do in the frames, once the supervisor has done its part.
const deeds = {
  kill() {},
  cut: pane => pane.mark("network cut"),
  close(pane) {
    pane.close(pane.front);
    pane.mark("tab closed");
  },
  async reload(pane) {
    await reload(pane.front);
    pane.mark("reloaded");
  },
  duplicate(pane) {
    pane.open();
    pane.mark("duplicated");
  },
  async malformed(pane) {
    await pane.front.do("malformed");
    pane.mark("malformed message sent");
  },
  async stale(pane, side) {
    // A save of the holder's is on its way, and takes long. Meanwhile the lock goes to the other one, who saves, and back.
    const mate = side.panes[other(pane.person)];
    const mine = pane.front, theirs = mate.front ?? mate.open();
    if (theirs.phase === "reading" || theirs.phase === "lost") await theirs.do("enter").catch(() => reload(theirs));
    await theirs.until("waiting");
    await mine.do("write", `\n${pane.person}, from a slow train.`);
    await mine.do("hold");
    await mine.do("leave");
    await theirs.until("editing");
    await mine.do("enter");
    await mine.until("waiting");
    await theirs.do("write", `\n${theirs.pane.person} was here.`);
    await theirs.do("save");
    await theirs.do("leave");
    await mine.until("editing");
    await theirs.do("enter");
    await mine.do("send");
  },
};

// A page that is no page, since its server was down as it was loaded, does not answer: then the frame is told to.
async function reload(tab) {
  const silent = new Promise((resolve, reject) => setTimeout(reject, 1000));
  await Promise.race([tab.do("reload"), silent]).catch(() => { tab.frame.src = tab.url; });
}

/** Why a button can do nothing at this moment; empty if it can do something. */
function obstacle(name) {
  if (!sides.every(side => side.state) || sides.some(side => side.settling)) return "The demo is starting over. One moment.";
  if (busy.has(name)) return "That is under way already.";
  const down = sides.find(side => !side.state.up);
  if (name === "kill") return down ? `The server of ${down.title} is down already, and is being started again.` : "";
  const cut = sides.some(side => side.state.cut.length);
  if (name === "again" || name === "cut" && cut) return "";
  if (!sides.some(side => side.who)) return "No page is open. Open one with +, or start over.";
  if (name === "malformed" && !sides.some(side => side.who && !side.state.cut.includes(side.who))) return "The network is cut, so no message gets through. Mend it first.";
  if (name !== "stale") return "";
  const early = sides.find(side => side.panes[side.state.holder]?.front?.phase !== "editing");
  if (early) return `Nobody can edit on the side of ${early.title} just now. Let somebody in first.`;
  return cut ? "The network is cut. Mend it first." : "";
}

async function control(body) {
  const answer = await fetch("/demo/control", {method: "POST", body: JSON.stringify({...body, window: thisWindow})});
  if (!answer.ok) throw new Error((await answer.text()).trim());
}

async function press(name) {
  if (name === "again") return again();
  if (name === "cut" && sides.some(side => side.state.cut.length)) return control({action: "restore"});
  const who = Object.fromEntries(sides.map(side => [side.name, side.who]));
  await control({action: name, who});
  const results = await Promise.allSettled(sides.map(async side => {
    const pane = side.panes[who[side.name]];
    const through = name !== "malformed" || !side.state.cut.includes(pane?.person);
    if (pane?.front && through) await deeds[name](pane, side);
  }));
  const failed = results.map((result, i) => result.reason && `${sides[i].title}: ${result.reason.message}`).filter(Boolean);
  if (failed.length) throw new Error(failed.join("; "));
}

let round = 0; // counts the times that the game began or ended here: what belongs to an earlier one stops

async function again() {
  const mine = ++round, goesOn = () => round === mine;
  const settle = yes => {
    if (!goesOn()) return;
    sides.forEach(side => side.settle(yes));
    able();
  };
  settle(true);
  try {
    await control({action: "restore"});
    await Promise.all(sides.map(side => side.release()));
    if (!goesOn()) return;
    sides.forEach(side => side.stop());
    await control({action: "begin"});
    if (!goesOn()) return;
    sides.forEach(side => { side.lanes.past = []; });
    const kept = await Promise.all(sides.map(side => side.start(goesOn)));
    const side = sides.find((_, i) => kept[i]);
    if (side) toast(`${side.title}: Ana is kept from the article by a page that is open elsewhere, as in the plain demo. Close it, and start over.`);
  } finally {
    settle(false);
  }
}

/** Gives everything back, for the window that plays now. */
async function quit() {
  const mine = ++round;
  await Promise.all(sides.map(side => side.release()));
  if (round === mine) sides.forEach(side => side.stop());
}

const buttons = [...document.querySelectorAll("[data-do]")];
const busy = new Set();

/** Shows which buttons can do something now. */
function able() {
  for (const button of buttons) {
    button.title = obstacle(button.dataset.do);
    button.ariaDisabled = String(Boolean(button.title));
  }
}

async function run(button) {
  if (!playing) return;
  const name = button.dataset.do, why = obstacle(name);
  if (why) return toast(why); // a button that is dim says why
  busy.add(name);
  able();
  try {
    await press(name);
  } catch (error) {
    toast(error.message);
  } finally {
    busy.delete(name);
    able();
  }
}
buttons.forEach(button => { button.onclick = () => run(button); });

// Where there is no room for all of them, a faded edge says that there are more.
const tools = $(".tools");
function more() {
  const left = tools.scrollLeft > 4, right = tools.scrollLeft + tools.clientWidth < tools.scrollWidth - 4;
  tools.dataset.more = [left && "left", right && "right"].filter(Boolean).join(" ");
}
tools.onscroll = more;
new ResizeObserver(more).observe(tools);

// Keys: the digits; and, as in every toolbar, the arrows go from button to button.
document.addEventListener("keydown", event => {
  if (event.ctrlKey || event.altKey || event.metaKey) return;
  const button = buttons.find(each => $("kbd", each).textContent === event.key);
  if (button) return run(button);
  const at = buttons.indexOf(document.activeElement);
  const step = {ArrowRight: 1, ArrowLeft: -1}[event.key];
  if (at < 0 || !step) return;
  event.preventDefault();
  buttons[(at + step + buttons.length) % buttons.length].focus();
});

let gone;
function toast(message) {
  if (!playing) return;
  const element = $(".toast");
  element.textContent = message;
  element.hidden = false;
  clearTimeout(gone);
  gone = setTimeout(() => { element.hidden = true; }, 6000);
}

let playing = false, player = thisWindow, vacant;
offer(() => control({action: "play"}));

/** Begins when it is this window that plays, and ends when it is not any more. */
function seat(who) {
  const mine = who === thisWindow;
  player = who;
  if (who) vacant = clearTimeout(vacant);
  else vacant ??= setTimeout(claim, 1500); // whoever reloads the window that played comes first
  if (mine && document.body.dataset.stage === "elsewhere") setTimeout(() => buttons[0].focus());
  stage(mine ? "playing" : "elsewhere");
  if (!mine) $(".toast").hidden = true;
  if (mine === playing) return;
  playing = mine;
  (playing ? again() : quit()).catch(error => toast(error.message));
}

/** The window that played is closed: this one goes on, if somebody looks at it. */
function claim() {
  vacant = undefined;
  if (player || document.visibilityState !== "visible") return;
  control({action: "play", polite: true}).catch(() => {}); // of several that look on, the first: the others are told that it plays
}
document.addEventListener("visibilitychange", claim);
window.addEventListener("pageshow", event => { if (event.persisted) location.reload(); });

const news = new EventSource(`/demo/events?window=${thisWindow}`);
news.onerror = () => {
  stage("gone");
  if (playing) quit();
  playing = false;
};
news.onmessage = event => {
  const state = JSON.parse(event.data);
  $("[data-show=ttl]").textContent = `${state.ttl} s`;
  sides.forEach(side => side.show(state[side.name]));
  seat(state.player);
  able();
  const cut = $("[data-do=cut]"), broken = sides.some(side => side.state.cut.length);
  cut.ariaPressed = String(broken);
  cut.lastChild.textContent = broken ? " Mend the network" : " Cut the holder’s network";
};

const still = matchMedia("(prefers-reduced-motion: reduce)").matches;
setInterval(() => sides.forEach(side => side.state && side.lanes.draw()), still ? 2000 : 250);
