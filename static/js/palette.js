// Ctrl K: find a page, an id or a symbol, or begin to do something. It only ever leads to the page that does it.
const ID = /^[0-9a-f]{6,12}$|^[0-9a-f]{8}(-?[0-9a-f]{4}){3}-?[0-9a-f]{12}$/i;
const SYMBOL = /^[A-Z0-9][A-Z0-9._-]{1,31}$/i;
const MOST = 9;

function actions() {
  const halted = document.querySelector("[data-kill-switch]").dataset.killSwitch === "on";
  const found = [
    halted ? ["Release the desk …", "/kill-switch/#release", "switch"] : ["Halt all trading …", "/kill-switch/#halt", "halt"],
    ["Close a position …", "/positions/", "positions"],
    ["Run a smoke test …", "/smoke-runs/", "smoke"],
    ["API reference", "/v1/docs", "orders"],
    ["Keys", () => document.getElementById("keys").showModal(), "key"],
  ];
  for (const button of document.querySelectorAll(".choices button")) {
    if (button.getAttribute("aria-pressed") !== "true") found.push([button.querySelector(".unseen").textContent, () => button.click(), "clock"]);
  }
  const account = document.querySelector(".account-form");
  if (account) found.push(["Your account", "/account/", "person"]);
  found.push(account ? ["Log out …", "/logout", "door"] : ["Log in", document.querySelector(".account a").href, "person"]);
  return found;
}

const pages = () => [...document.querySelectorAll("#nav a[data-key]")].map((link) => [link.textContent.trim(), link.getAttribute("href"), link.querySelector("use").getAttribute("href").split("#")[1]]);

/* Words may be cut short and stand in any order: "sw kill" finds the kill switch. */
function fits(text, asked) {
  const words = text.toLowerCase().split(/\s+/);
  return asked.every((part) => words.some((word) => word.startsWith(part)));
}

function offered(text) {
  const asked = text.trim();
  const found = [...pages(), ...actions()].filter(([name]) => fits(name, asked.toLowerCase().split(/\s+/).filter(Boolean)));
  const query = `/find?q=${encodeURIComponent(asked)}`;
  if (ID.test(asked)) found.unshift([`Go to ${asked}`, query, "search"]);
  else if (SYMBOL.test(asked)) found.push([`Look for ${asked}`, query, "search"]);
  return found.slice(0, MOST);
}

const input = desk.element("input", { type: "text", role: "combobox", "aria-expanded": "true", "aria-controls": "palette-list", "aria-label": "Find or do", autocomplete: "off", spellcheck: "false", placeholder: "A page, an action, an id, a symbol" });
const list = desk.element("ul", { id: "palette-list", role: "listbox", "aria-label": "Offered" });
const dialog = desk.element("dialog", { class: "overlay palette", id: "palette", "aria-label": "Find or do" }, input, list);
document.body.append(dialog);

function select(option) {
  for (const other of list.children) other.setAttribute("aria-selected", String(other === option));
  if (option) input.setAttribute("aria-activedescendant", option.id);
  else input.removeAttribute("aria-activedescendant");
  option?.scrollIntoView({ block: "nearest" });
}

const selected = () => list.querySelector("[aria-selected=true]");

function draw() {
  const options = offered(input.value).map(([name, target, icon], index) => {
    const option = desk.element("li", { role: "option", id: `palette-${index}`, "aria-selected": "false" }, desk.icon(icon), name);
    option.addEventListener("click", () => run(target));
    return option;
  });
  list.replaceChildren(...options);
  if (!options.length) list.append(desk.element("li", { class: "palette-none", role: "option", "aria-disabled": "true" }, "Nothing is called that."));
  select(options[0]);
}

function run(target) {
  dialog.close();
  if (typeof target === "function") target();
  else location.assign(target);
}

function open() {
  input.value = "";
  draw();
  dialog.showModal();
}

const moves = { ArrowDown: (option) => option?.nextElementSibling, ArrowUp: (option) => option?.previousElementSibling };
input.addEventListener("input", draw);
input.addEventListener("keydown", (event) => {
  if (event.isComposing) return;
  if (event.key in moves) select(moves[event.key](selected()) ?? selected());
  else if (event.key === "Enter") selected()?.click();
  else return;
  event.preventDefault();
});
dialog.addEventListener("click", (event) => {
  if (event.target === dialog) dialog.close();
});
document.addEventListener("keydown", (event) => {
  if (event.key.toLowerCase() !== "k" || !(event.ctrlKey || event.metaKey) || event.shiftKey || event.altKey) return;
  event.preventDefault();
  if (dialog.open) dialog.close();
  else if (!document.querySelector("dialog[open]")) open();
});
/* The box in the bar stays a plain form; on a phone, Find opens this rather than a page. */
document.querySelector(".thumbs a[href='/find']")?.addEventListener("click", (event) => {
  event.preventDefault();
  open();
});
