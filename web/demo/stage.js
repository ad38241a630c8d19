// Who plays: one window at a time. The others say so, and offer to go on here.

const element = document.querySelector(".stage");
const line = element.querySelector("[role=status]"), button = element.querySelector("button");

const sentences = {
  playing: "",
  elsewhere: "The demo is open in another window.",
  gone: "The demo does not answer. Start it again, and it goes on here.",
};

/** Shows the demo, or why it is not to be played here. The button takes the focus: what had it is out of sight. */
export function stage(scene) {
  if (document.body.dataset.stage === scene) return;
  document.body.dataset.stage = scene;
  line.textContent = sentences[scene];
  if (scene === "elsewhere") button.focus();
}

/** What the button does. */
export function offer(take) {
  button.onclick = async () => {
    button.ariaDisabled = "true";
    await take().catch(error => { line.textContent = error.message; });
    button.ariaDisabled = null;
  };
}
