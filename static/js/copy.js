// Copying: buttons that copy what stands before them, and one that follows the pointer over the ids of tables.
function write(text) {
  if (navigator.clipboard) return navigator.clipboard.writeText(text);
  // Without https, browsers leave only the old way.
  const area = desk.element("textarea", { class: "unseen", "aria-hidden": "true" }, text);
  document.body.append(area);
  area.select();
  document.execCommand("copy");
  area.remove();
  return Promise.resolve();
}

desk.copy = async (text, button) => {
  await write(text);
  desk.announce("Copied.");
  if (!button) return;
  button.replaceChildren(desk.icon("check"));
  setTimeout(() => button.replaceChildren(desk.icon("copy")), 1500);
};

document.documentElement.classList.add("has-script");
document.addEventListener("click", (event) => {
  const button = event.target.closest?.("[data-copy]");
  if (button) desk.copy(button.previousElementSibling.textContent.trim(), button);
});

/* One button for all ids: fifty rows of four ids each must not be two hundred stops for the keyboard, which has `y`. */
let id = "";
const label = "Copy this id";
const attributes = { type: "button", class: "copy copy-floating", "aria-label": label, title: label, tabindex: "-1", hidden: "" };
const floating = desk.element("button", attributes, desk.icon("copy"));
floating.addEventListener("click", () => desk.copy(id, floating));
document.body.append(floating);

document.addEventListener("pointerover", (event) => {
  if (event.pointerType === "touch" || floating.contains(event.target)) return;
  const cell = event.target.closest?.("td[data-value]");
  const code = cell?.querySelector(".id");
  floating.hidden = !code;
  if (cell && !cell.title) cell.title = wholeOf(cell);
  if (!code) return;
  id = cell.dataset.value;
  const box = code.getBoundingClientRect();
  floating.style.left = `${box.right + scrollX}px`;
  floating.style.top = `${box.top + scrollY + box.height / 2}px`;
});

/* What a cell stands for, in full: an id, or a moment by both clocks. Rows that come later bring no titles. */
function wholeOf(cell) {
  const value = cell.dataset.value;
  if (!cell.classList.contains("is-time")) return cell.classList.contains("is-id") ? value : "";
  const utc = `${value.slice(0, 10)} ${value.slice(11, 19)} UTC`;
  const own = new Date(value).toLocaleString("en-GB", { day: "2-digit", month: "short", hour: "2-digit", minute: "2-digit", second: "2-digit", timeZoneName: "short" });
  return own.endsWith("UTC") ? utc : `${utc} = ${own.replace(",", "")}`;
}
