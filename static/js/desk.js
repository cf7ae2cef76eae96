// What the other files of this bundle share. Without any of them every page works, only less lively.
const desk = (window.desk = {
  /* Live blocks are whatever asks the server again by itself. */
  polls: (element) => element.matches?.(".live, .desk-state") ?? false,

  /* Ages and moments are by the server's clock: the visitor's own may be wrong. */
  ahead: Date.parse(document.documentElement.dataset.now) - Date.now(),
  now: () => Date.now() + desk.ahead,

  /* desk.element("button", { type: "button" }, "text", child): elements without a line of HTML. */
  element(name, attributes = {}, ...children) {
    const made = document.createElement(name);
    for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
    made.append(...children);
    return made;
  },

  icon(name) {
    const space = "http://www.w3.org/2000/svg";
    const svg = document.createElementNS(space, "svg");
    const use = document.createElementNS(space, "use");
    svg.setAttribute("class", "icon");
    svg.setAttribute("aria-hidden", "true");
    use.setAttribute("href", `${document.documentElement.dataset.icons}#${name}`);
    svg.append(use);
    return svg;
  },

  /* Said to those who hear the page rather than see it. */
  announce(text) {
    document.getElementById("said").textContent = text;
  },

  refresh() {
    document.body.dispatchEvent(new Event("desk:visible"));
  },

  keep(name, value) {
    document.cookie = `${name}=${value}; path=/; max-age=31536000; samesite=lax`;
  },
});
