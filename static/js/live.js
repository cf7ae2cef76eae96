// Live blocks: asked for again while somebody looks, morphed around what they are doing.

/* What somebody types, has opened or stands on stays as it is. */
if (window.Idiomorph) {
  const keptOf = { DETAILS: ["open"], TR: ["tabindex"], TD: ["title"] };
  const kept = (name, node) => keptOf[node.tagName]?.includes(name);
  Idiomorph.defaults.ignoreActiveValue = true;
  Idiomorph.defaults.callbacks.beforeAttributeUpdated = (name, node) => !kept(name, node);
}

/* A hidden page asks for nothing; it asks at once when it is seen again. */
document.addEventListener("htmx:beforeRequest", (event) => {
  if (desk.polls(event.target) && document.hidden) event.preventDefault();
});
document.addEventListener("visibilitychange", () => {
  if (!document.hidden) desk.refresh();
});

/* The tab's name says whether the desk trades, also when that changes while the page is open. */
document.addEventListener("htmx:afterSettle", () => {
  const prefix = document.getElementById("desk-state")?.dataset.titlePrefix ?? "";
  document.title = prefix + document.title.replace(/^(HALTED|SWITCH UNKNOWN) · /, "");
});
