// The keyboard: single keys where nobody types, and a list of them behind `?`.
const GO_MS = 1500;
/* For an instant after a dialog closes, keys still go to the field in it that nobody sees any more. */
const typing = (element) => element.closest?.("input, select, textarea, [contenteditable]")?.checkVisibility() ?? false;
const places = [...document.querySelectorAll("#nav a[data-key]")];
let goUntil = 0;

const rowsOf = () => [...document.querySelectorAll("main table[data-table] tbody tr[data-id]")].filter((row) => row.checkVisibility());
const rowNow = () => document.activeElement.closest?.("main table[data-table] tbody tr[data-id]");

function move(step) {
  const rows = rowsOf();
  const at = rows.indexOf(rowNow());
  const row = rows[at < 0 ? (step > 0 ? 0 : rows.length - 1) : at + step];
  if (!row) return;
  row.tabIndex = -1;
  row.focus({ preventScroll: true });
  row.scrollIntoView({ block: "nearest" });
}

function follow(selector) {
  document.querySelector(selector)?.click();
}

function focusFilter() {
  const field = document.querySelector("[data-form=filters] :is(input:not([type=hidden]), select)") ?? document.querySelector("[data-form=find] input");
  field?.focus();
  field?.select?.();
}

function copyRow() {
  const row = rowNow();
  if (row) desk.copy(row.dataset.id);
}

const KEYS = [
  ["j", "next row", () => move(1)],
  ["k", "row before", () => move(-1)],
  ["Enter", "open the row", () => rowNow()?.querySelector("a[href]")?.click()],
  ["y", "copy the row's id", copyRow],
  ["]", "older rows", () => follow(".pager a[rel=next]")],
  ["[", "newest rows", () => follow(".pager a[rel=first]")],
  ["/", "to the filters", focusFilter],
  ["?", "this list", () => help.showModal()],
];

function line(keys, text) {
  return desk.element("div", {}, desk.element("dt", {}, ...keys.flatMap((key) => [desk.element("kbd", {}, key), " "])), desk.element("dd", {}, text));
}

/* Whoever dictates to their computer, or has a hand that slips, can do without. */
const singles = desk.element("input", { type: "checkbox" });
singles.checked = localStorage.getItem("keys") !== "off";
singles.addEventListener("change", () => localStorage.setItem("keys", singles.checked ? "on" : "off"));

const help = desk.element(
  "dialog",
  { class: "overlay", id: "keys", "aria-labelledby": "keys-title" },
  desk.element("h2", { id: "keys-title" }, "Keys"),
  desk.element("dl", { class: "keys" }, line(["Ctrl K"], "find and do anything"), ...KEYS.map(([key, text]) => line([key], text)), ...places.map((link) => line(["g", link.dataset.key], link.textContent.trim()))),
  desk.element("label", { class: "check" }, singles, "Single keys do this; Ctrl K always does"),
  desk.element("form", { method: "dialog" }, desk.element("button", { class: "button" }, "Close")),
);
document.body.append(help);

document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || event.defaultPrevented || typing(event.target)) return;
  if (!singles.checked || document.querySelector("dialog[open]")) return;
  const place = Date.now() < goUntil && places.find((link) => link.dataset.key === event.key);
  goUntil = event.key === "g" ? Date.now() + GO_MS : 0;
  if (place) {
    event.preventDefault();
    place.click();
    return;
  }
  const known = KEYS.find(([key]) => key === event.key);
  if (!known || (event.key === "Enter" && document.activeElement !== rowNow())) return;
  event.preventDefault();
  known[2]();
});
