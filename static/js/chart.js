// The crosshair of a drawn chart. The server drew the picture and words every number; this reads it out, by mouse,
// touch and keys. Without this file the picture stays, and the table beside it says the same.

const LEAP = 10;

class Reader {
  constructor(frame) {
    this.frame = frame;
    this.box = frame.querySelector("[data-plot-reader]");
    this.index = -1;
    this.layers = [];
    this.box.addEventListener("pointermove", (event) => this.point(event));
    this.box.addEventListener("pointerdown", (event) => this.point(event));
    this.box.addEventListener("pointerleave", () => this.leave());
    this.box.addEventListener("focus", () => this.step(0));
    this.box.addEventListener("blur", () => this.leave());
    this.box.addEventListener("keydown", (event) => this.key(event));
    this.readout = frame.closest("figure")?.querySelector("[data-plot-readout]");
    this.hint = [...(this.readout?.childNodes ?? [])];
    this.renew();
  }

  /* The page was morphed: other points perhaps, and what was laid over the picture is gone. */
  renew() {
    const drawn = this.signature();
    if (drawn !== this.drawn) {
      this.drawn = drawn;
      this.data = null;
      this.index = -1;
      [this.start, this.end] = [this.frame.dataset.start, this.frame.dataset.end].map((text) => Date.parse(text) / 1000);
    }
    if (this.layers.every((layer) => layer.isConnected)) return;
    this.layers = [];
    this.step(0);
  }

  /* Equal as long as the server has drawn the same. */
  signature() {
    const { start, end, points } = this.frame.dataset;
    return [start, end, points, ...[...this.frame.querySelectorAll("path[d]")].map((path) => path.getAttribute("d"))].join();
  }

  /* Asked for when somebody first wants to read: most visits never do. The browser keeps it by its tag. */
  async load() {
    this.data ??= fetch(this.frame.dataset.points, { headers: { Accept: "application/json" } })
      .then((answer) => (answer.ok && !answer.redirected ? answer.json() : Promise.reject(new Error("no points"))));
    return this.data;
  }

  async read(choose) {
    try {
      const data = await this.load();
      if (data.points.length) this.show(data, choose(data.points));
    } catch {
      this.data = null;
    }
  }

  secondsAt(clientX) {
    const { left, width } = this.box.getBoundingClientRect();
    return this.start + Math.min(Math.max((clientX - left) / width, 0), 1) * (this.end - this.start);
  }

  point(event) {
    const seconds = this.secondsAt(event.clientX);
    this.read((points) => nearest(points, seconds));
  }

  step(by) {
    this.read((points) => {
      const from = this.index < 0 || this.index >= points.length ? points.length - 1 : this.index;
      return Math.min(Math.max(from + by, 0), points.length - 1);
    });
  }

  key(event) {
    if (event.ctrlKey || event.metaKey || event.altKey || event.shiftKey) return;
    const moves = { ArrowLeft: -1, ArrowRight: 1, PageUp: LEAP, PageDown: -LEAP, Home: -1e9, End: 1e9 };
    if (!(event.key in moves)) return;
    event.preventDefault();
    this.step(moves[event.key]);
  }

  leave() {
    if (document.activeElement === this.box && this.box.matches(":focus-visible")) return;
    for (const layer of this.layers) layer.remove();
    this.layers = [];
    this.readout?.replaceChildren(...this.hint);
  }

  show(data, index) {
    const [seconds, heights, time, words, note] = data.points[index];
    this.index = index;
    this.time = seconds;
    if (!this.layers.length) this.layOver(heights.length);
    const [hair, timeWord, valueWord, ...dots] = this.layers;
    const left = `${Math.min(Math.max((seconds - this.start) / (this.end - this.start), 0), 1) * 100}%`;
    for (const layer of [hair, timeWord, ...dots]) layer.style.left = left;
    heights.forEach((height, pane) => { dots[pane].style.top = `${this.top(pane, Number(height))}px`; });
    valueWord.style.top = dots[0].style.top;
    timeWord.textContent = time;
    valueWord.textContent = words[0];
    keepInside(timeWord, this.box);
    const said = data.fields.map((field, number) => [field, words[number]]);
    this.say(time, said, data.unit, note);
    this.box.ariaValueMax = String(data.points.length - 1);
    this.box.ariaValueNow = String(index);
    this.box.ariaValueText = `${time}: ${said.map((pair) => pair.join(" ")).join(", ")} ${data.unit}${note ? `; ${note}` : ""}`;
  }

  layOver(panes) {
    const kinds = ["hair", "word plot-word-time", "word plot-word-value"];
    for (let pane = 0; pane < panes; pane += 1) kinds.push(`dot plot-dot-${pane}`);
    this.layers = kinds.map((kind) => {
      const layer = document.createElement("span");
      layer.className = `plot-${kind}`;
      layer.ariaHidden = "true";
      return layer;
    });
    this.box.append(...this.layers);
  }

  /* How far below the reader's top a value of a pane lies, in pixels. */
  top(pane, value) {
    const body = this.frame.querySelectorAll("[data-plot-pane]")[pane];
    const [low, high] = [Number(body.dataset.low), Number(body.dataset.high)];
    const box = body.getBoundingClientRect();
    return box.top - this.box.getBoundingClientRect().top + ((high - value) / (high - low)) * box.height;
  }

  say(time, said, unit, note) {
    if (!this.readout) return;
    const parts = [bold(time), " "];
    for (const [field, word] of said) parts.push(` ${field} `, bold(word), " ·");
    parts[parts.length - 1] = ` ${unit}${note ? `; ${note}` : ""}`;
    this.readout.replaceChildren(...parts);
  }
}

function bold(text) {
  const element = document.createElement("b");
  element.textContent = text;
  return element;
}

/* The word of the time stays over the picture, however near an edge the hair is. */
function keepInside(word, box) {
  const half = word.offsetWidth / 2;
  const at = (parseFloat(word.style.left) / 100) * box.clientWidth;
  word.style.left = `${Math.min(Math.max(at, half), box.clientWidth - half)}px`;
}

function nearest(points, seconds) {
  let [low, high] = [0, points.length - 1];
  while (high - low > 1) {
    const middle = (low + high) >> 1;
    if (points[middle][0] < seconds) low = middle;
    else high = middle;
  }
  return seconds - points[low][0] < points[high][0] - seconds ? low : high;
}

function setUp() {
  for (const frame of document.querySelectorAll("[data-plot][data-points]")) {
    if (frame.reader) {
      frame.reader.renew();
    } else {
      frame.reader = new Reader(frame);
      frame.dispatchEvent(new CustomEvent("plot:ready", { bubbles: true }));
    }
  }
}

/* Only with this file is there anything to point at: the style waits for it. */
document.documentElement.dataset.plots = "";
for (const name of ["htmx:afterSettle", "htmx:historyRestore"]) document.addEventListener(name, setUp);
document.addEventListener("DOMContentLoaded", setUp);
