// New rows do not move the rows somebody reads: they wait behind a button that says how many they are.
const held = new Map();

/* Scrolled back in this block, or marking text in it. */
function reading(block) {
  const selection = document.getSelection();
  const marking = !selection.isCollapsed && selection.containsNode(block, true);
  const table = block.querySelector("table[data-table]");
  return table !== null && (marking || table.getBoundingClientRect().top < 0);
}

function pillOf(block) {
  const pill = desk.element("button", { type: "button", class: "fresh" });
  pill.addEventListener("click", () => show(block, true));
  document.body.append(pill);
  return pill;
}

function hold(block, incoming, rows, fresh) {
  for (const row of rows) {
    const shown = document.getElementById(row.id);
    if (shown) Idiomorph.morph(shown, row);
  }
  // What waits is known by its version, so that asking again costs nothing until there is more.
  block.setAttribute("hx-headers", incoming.getAttribute("hx-headers"));
  const pill = held.get(block.id) ?? pillOf(block);
  const text = fresh === rows.length ? `${fresh} or more new` : `${fresh} new`;
  if (pill.textContent !== text) {
    pill.replaceChildren(text);
    desk.announce(`${text} above`);
  }
  held.set(block.id, pill);
}

function show(block, go) {
  held.get(block.id)?.remove();
  held.delete(block.id);
  if (go) {
    document.getSelection().removeAllRanges();
    block.scrollIntoView();
  }
  block.setAttribute("hx-headers", "{}");
  desk.refresh();
}

document.addEventListener("htmx:beforeSwap", (event) => {
  const block = event.detail.target;
  if (event.detail.xhr.status !== 200 || !block.matches?.(".live") || !reading(block)) return;
  const page = new DOMParser().parseFromString(event.detail.serverResponse, "text/html");
  const incoming = page.getElementById(block.id);
  const rows = [...(incoming?.querySelectorAll("table[data-table] tbody tr[id]") ?? [])];
  const fresh = rows.filter((row) => !document.getElementById(row.id)).length;
  if (!fresh) return;
  event.detail.shouldSwap = false;
  hold(block, incoming, rows, fresh);
});
document.addEventListener(
  "scroll",
  () => {
    for (const id of held.keys()) {
      const block = document.getElementById(id);
      if (block && !reading(block)) show(block, false);
    }
  },
  { passive: true },
);
