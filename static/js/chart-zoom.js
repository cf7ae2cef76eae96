// Zooming a drawn chart: a stretch of time is chosen by dragging or by keys, and the page at that range takes the place
// of this one without losing one's place. Every range is an address; without this file the links beside the chart do it.

const LEAST_PIXELS = 6;
const LINKS = "[data-zoom-in], [data-zoom-out], [data-zoom-earlier], [data-zoom-later], [data-zoom-link], [data-zoom-links] a";
let shown = location.pathname + location.search;
const KEYS = { "-": "out", _: "out", "Shift+ArrowLeft": "earlier", "Shift+ArrowRight": "later" };

/* The whole page at another range, morphed into this one: what is focused stays, and Back leads back. */
async function go(url) {
  const frame = document.querySelector("[data-plot][data-zoom]");
  frame?.setAttribute("aria-busy", "true");
  try {
    const answer = await fetch(url, { headers: { Accept: "text/html" } });
    if (!answer.ok || answer.redirected) throw new Error("not a page");
    const page = new DOMParser().parseFromString(await answer.text(), "text/html");
    history.pushState({ chart: true }, "", url);
    show(page);
  } catch {
    location.assign(url);
  }
}

function show(page) {
  shown = location.pathname + location.search;
  const content = document.getElementById("content");
  Idiomorph.morph(content, page.getElementById("content"), { morphStyle: "outerHTML" });
  htmx.process(content);
  content.dispatchEvent(new CustomEvent("htmx:afterSettle", { bubbles: true, detail: { elt: content } }));
}

class Zoom {
  constructor(frame) {
    this.frame = frame;
    this.reader = frame.reader;
    this.box = frame.querySelector("[data-plot-reader]");
    this.box.addEventListener("pointerdown", (event) => this.begin(event));
    this.box.addEventListener("pointermove", (event) => this.drag(event));
    this.box.addEventListener("pointerup", (event) => this.end(event));
    this.box.addEventListener("pointercancel", () => this.cancel());
    this.box.addEventListener("dblclick", () => this.follow("out"));
    this.box.addEventListener("keydown", (event) => this.key(event));
  }

  begin(event) {
    // A finger on the picture reads it; zooming is for pointers that can also hover.
    if (event.pointerType === "touch" || event.button !== 0) return;
    this.box.setPointerCapture(event.pointerId);
    this.from = event.clientX;
    this.fromSeconds = this.reader.secondsAt(event.clientX);
  }

  drag(event) {
    if (this.from !== undefined) this.mark(this.fromSeconds, this.reader.secondsAt(event.clientX));
  }

  end(event) {
    if (this.from === undefined) return;
    const far = Math.abs(event.clientX - this.from) >= LEAST_PIXELS;
    const [from, to] = [this.fromSeconds, this.reader.secondsAt(event.clientX)];
    this.cancel();
    if (far) this.choose(from, to);
  }

  cancel() {
    this.from = undefined;
    this.anchor = undefined;
    this.chosen?.remove();
    this.chosen = undefined;
  }

  /* Shade what would be chosen. */
  mark(from, to) {
    if (!this.chosen?.isConnected) {
      this.chosen = document.createElement("span");
      this.chosen.className = "plot-chosen";
      this.box.append(this.chosen);
    }
    const [start, end] = [this.reader.start, this.reader.end];
    const share = (seconds) => (Math.min(Math.max((seconds - start) / (end - start), 0), 1)) * 100;
    this.chosen.style.left = `${share(Math.min(from, to))}%`;
    this.chosen.style.width = `${Math.abs(share(to) - share(from))}%`;
  }

  key(event) {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const name = event.shiftKey && event.key.startsWith("Arrow") ? `Shift+${event.key}` : event.key;
    if (name in KEYS) this.follow(KEYS[name]);
    else if (name === "+" || name === "=") this.zoomIn();
    else if (name === "Enter") this.anchorOrChoose();
    else if (name === "Escape") this.cancel();
    else {
      if (this.anchor !== undefined) requestAnimationFrame(() => this.mark(this.anchor, this.reader.time));
      return;
    }
    event.preventDefault();
  }

  anchorOrChoose() {
    const { time } = this.reader;
    if (time === undefined) return;
    if (this.anchor === undefined) {
      this.anchor = time;
      this.mark(time, time);
    } else if (this.anchor !== time) {
      const from = this.anchor;
      this.cancel();
      this.choose(from, time);
    }
  }

  /* Half of what is shown, around what is read. */
  zoomIn() {
    const { start, end, time } = this.reader;
    const quarter = (end - start) / 4;
    const middle = Math.min(Math.max(time ?? (start + end) / 2, start + quarter), end - quarter);
    this.choose(middle - quarter, middle + quarter);
  }

  choose(one, other) {
    const [from, to] = [Math.floor(Math.min(one, other)), Math.ceil(Math.max(one, other))];
    const url = new URL(this.frame.dataset.zoom, location.href);
    url.searchParams.set("from", text(from));
    url.searchParams.set("to", text(Math.max(to, from + 1)));
    go(url.pathname + url.search);
  }

  follow(name) {
    const link = this.frame.closest("figure").querySelector(`[data-zoom-${name}]`);
    if (link) go(link.getAttribute("href"));
  }
}

function text(seconds) {
  return new Date(seconds * 1000).toISOString().replace(".000", "");
}

document.addEventListener("plot:ready", ({ target }) => {
  if (target.dataset.zoom !== undefined) target.zoom = new Zoom(target);
});
document.addEventListener("click", (event) => {
  const link = event.target.closest(LINKS);
  if (!link || event.button || event.ctrlKey || event.metaKey || event.shiftKey || event.altKey) return;
  event.preventDefault();
  go(link.getAttribute("href"));
});
/* A live block must not be drawn anew under a hand that is choosing in it. */
document.addEventListener("htmx:beforeRequest", (event) => {
  const chosen = event.target.querySelector?.("[data-plot]")?.zoom;
  if (chosen && (chosen.from !== undefined || chosen.anchor !== undefined)) event.preventDefault();
});
/* Back and forward between ranges of this page: the address has changed already. */
window.addEventListener("popstate", async () => {
  const same = location.pathname + location.search === shown;
  if (same || !document.querySelector("[data-plot][data-zoom]")) return;
  const answer = await fetch(location.href, { headers: { Accept: "text/html" } }).catch(() => null);
  if (!answer?.ok) location.reload();
  else show(new DOMParser().parseFromString(await answer.text(), "text/html"));
});
