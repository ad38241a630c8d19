// The last minute of one side: one lane for each person.

const span = 60000;
const people = ["Ana", "Ben"];

export class Lanes {
  constructor(canvas) {
    this.canvas = canvas;
    this.past = []; // {at, Ana, Ben}: what was drawn from each moment on
  }

  /** Takes the state of a side, and draws. */
  note(state) {
    const now = Date.now();
    const phases = person => state.tabs.filter(tab => tab.person === person).map(tab => tab.phase);
    const moment = {at: now};
    for (const person of people) {
      const all = phases(person);
      moment[person] = state.doubled && all.includes("editing") ? "both"
        : all.includes("editing") ? "edit"
          : all.includes("unsure") || all.includes("refreshing") ? "unsure"
            : state.holder === person && state.empty_for > 0 ? "gone"
              : all.includes("waiting") ? "wait" : "";
    }
    const last = this.past.at(-1);
    if (!last || people.some(person => last[person] !== moment[person])) this.past.push(moment);
    while (this.past.length > 1 && this.past[1].at < now - span) this.past.shift();
    this.draw();
  }

  draw() {
    const {canvas} = this, ratio = window.devicePixelRatio || 1;
    const width = canvas.clientWidth, height = canvas.clientHeight;
    if (!width) return;
    canvas.width = Math.round(width * ratio);
    canvas.height = Math.round(height * ratio);
    const paint = canvas.getContext("2d"), style = getComputedStyle(canvas);
    const colour = name => style.getPropertyValue(`--${name}`).trim();
    paint.scale(ratio, ratio);
    paint.font = "600 11px system-ui, sans-serif";
    paint.textBaseline = "middle";
    const now = Date.now(), left = 32, lane = height / people.length;
    const x = at => left + Math.max(0, 1 - (now - at) / span) * (width - left);
    people.forEach((person, row) => {
      const top = row * lane + 3, tall = lane - 6, middle = top + tall / 2;
      paint.fillStyle = colour(person.toLowerCase());
      paint.fillText(person, 0, middle);
      paint.fillStyle = colour("sunk");
      round(paint, left, top, width - left, tall);
      paint.fill();
      this.past.forEach((moment, i) => {
        const from = x(moment.at), to = x(this.past[i + 1]?.at ?? now), kind = moment[person];
        if (!kind || to - from < .5) return;
        if (kind === "wait") {
          paint.fillStyle = colour(person.toLowerCase());
          paint.globalAlpha = .55;
          paint.fillRect(from, middle - 1, to - from, 2);
          paint.globalAlpha = 1;
        } else if (kind === "unsure") {
          paint.strokeStyle = colour(person.toLowerCase());
          round(paint, from + .5, top + .5, Math.max(1, to - from - 1), tall - 1);
          paint.stroke();
        } else if (kind === "gone") {
          hatch(paint, from, top, to - from, tall, colour("bad"));
        } else {
          paint.fillStyle = colour(kind === "both" ? "bad" : person.toLowerCase());
          round(paint, from, top, Math.max(1, to - from), tall);
          paint.fill();
        }
      });
    });
  }
}

function round(paint, x, y, width, height) {
  paint.beginPath();
  paint.roundRect(x, y, width, height, 3);
}

function hatch(paint, x, y, width, height, colour) {
  paint.save();
  round(paint, x, y, width, height);
  paint.clip();
  paint.strokeStyle = colour;
  paint.lineWidth = 1.3;
  paint.beginPath();
  const shift = height; // the lines stay where they are as the bar moves: they hang on its right end
  for (let at = x + width; at > x - shift; at -= 5) {
    paint.moveTo(at, y + height);
    paint.lineTo(at + shift, y);
  }
  paint.stroke();
  paint.restore();
}
