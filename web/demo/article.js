// The editor: saves by the REST endpoint, with the lock token in a header. Who may edit when, and with which text, is
// the <edit-lock> element's business.
const element = document.querySelector("edit-lock");
const form = () => element.querySelector("form"); // it is replaced when fresh content comes
const fields = () => [...form().querySelectorAll("input:not([type=hidden]), textarea")];
const url = location.pathname.replace("/articles/", "/api/articles/");

/** Gives the request of a save as it would be sent now; waits while it is not certain that the lock is held. */
async function prepare() {
  const {title, body, version} = Object.fromEntries(new FormData(form()));
  return [url, {
    method: "PUT",
    headers: {"Content-Type": "application/json", ...await element.lock.headers()},
    body: JSON.stringify({title, body, version: Number(version)}),
  }];
}

async function save(request, options) {
  const [at, put] = request ?? await prepare();
  const answer = await fetch(at, put).catch(() => null);
  // A proxy says in words of its own that the server is away.
  const content = await answer?.json().catch(() => null);
  if (!content) {
    say("Not saved: the server does not answer. Your text is kept; try again.", "bad");
    return answer?.status ?? 0;
  }
  if (answer.ok) {
    form().elements.version.value = content.version;
    for (const field of fields()) field.defaultValue = field.value;
    element.saved({version: String(content.version), ...options});
    say(`Saved as version ${content.version}.`);
  } else {
    say(`${answer.status}: ${content.detail}`, "bad");
  }
  return answer.status;
}

function say(text, tone = "") {
  const output = form().querySelector("output");
  output.textContent = text;
  output.dataset.tone = tone;
}

element.addEventListener("submit", async event => {
  event.preventDefault();
  const done = event.submitter?.hasAttribute("data-edit-lock-done") ?? false;
  if (done && fields().every(field => field.value === field.defaultValue)) {
    element.saved({version: form().elements.version.value, done});
    return say("Nothing was changed.");
  }
  say("Saving …");
  try {
    await save(null, {done});
  } catch (error) {
    say(`Not saved: ${error.message}`, "bad");
  }
});

document.addEventListener("keydown", event => {
  if ((event.ctrlKey || event.metaKey) && event.key.toLowerCase() === "s") {
    event.preventDefault();
    form().requestSubmit();
  }
});

// What the page offers to the demo around it.
const phases = {watching: "reading", held: "editing"};
window.app = {
  prepare, save,
  enter: () => element.lock.acquire(),
  leave: () => element.lock.release({version: form().elements.version.value}),
  get phase() {
    const state = element.lock?.snapshot.state ?? "connecting";
    return phases[state] ?? state;
  },
  get position() { return element.lock?.snapshot.position ?? 0; },
  get text() { return form().elements.body.value; },
  set text(value) {
    form().elements.body.value = value;
    form().elements.body.dispatchEvent(new InputEvent("input", {bubbles: true}));
  },
};
const tell = () => document.dispatchEvent(new Event("phase"));
element.lock?.subscribe(tell);
tell();
