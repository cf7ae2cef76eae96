// What every page does beyond plain HTML. Without this file all of it still works, only less lively.
"use strict";

const TICK_MS = 1000;

/* A live block is morphed around what somebody is typing, and leaves open what they have opened. */
if (window.Idiomorph) {
  Idiomorph.defaults.ignoreActiveValue = true;
  Idiomorph.defaults.callbacks.beforeAttributeUpdated = (name, node) => !(name === "open" && node.tagName === "DETAILS");
}

/* Ages are counted on the server's clock: what matters is the difference, not the visitor's own time. */
const serverAhead = Date.parse(document.documentElement.dataset.now) - Date.now();

function ageText(seconds) {
  if (seconds < 1) return "just now";
  const units = [[86400, "d"], [3600, "h"], [60, "min"], [1, "s"]];
  let rest = Math.floor(seconds);
  const parts = [];
  for (const [size, unit] of units) {
    const count = Math.floor(rest / size);
    rest -= count * size;
    if (parts.length || count) parts.push(count ? `${count}\u00a0${unit}` : "");
    if (parts.length === 2) break;
  }
  return `${parts.filter(Boolean).join(" ")} ago`;
}

function tickAges() {
  if (document.hidden) return;
  const now = Date.now() + serverAhead;
  for (const element of document.querySelectorAll("time[data-age]")) {
    const text = ageText((now - Date.parse(element.dateTime)) / 1000);
    if (element.textContent !== text) element.textContent = text;
  }
}

/* The server writes times by the visitor's clock, or both in a title, once it knows their zone. */
const zone = Intl.DateTimeFormat().resolvedOptions().timeZone;
if (zone && !document.cookie.split("; ").includes(`zone=${zone}`)) {
  document.cookie = `zone=${zone}; path=/; max-age=31536000; samesite=lax`;
}

/* A hidden page asks for nothing; it asks at once when it is seen again. */
document.addEventListener("htmx:beforeRequest", (event) => {
  const polling = event.target.matches(".live, .desk-state");
  if (polling && document.hidden) event.preventDefault();
});
document.addEventListener("visibilitychange", () => {
  if (document.hidden) return;
  tickAges();
  document.body.dispatchEvent(new Event("desk:visible"));
});

/* The tab's name says whether the desk trades, also when that changes while the page is open. */
document.addEventListener("htmx:afterSettle", () => {
  const prefix = document.getElementById("desk-state")?.dataset.titlePrefix ?? "";
  document.title = prefix + document.title.replace(/^(HALTED|SWITCH UNKNOWN) · /, "");
});

/* One press is one request: a form that has been sent cannot be sent again by impatience. */
document.addEventListener("submit", (event) => {
  if (event.defaultPrevented || event.target.method === "get") return;
  setTimeout(() => {
    for (const button of event.target.querySelectorAll("button[type=submit]")) button.disabled = true;
  });
});
window.addEventListener("pageshow", (event) => {
  if (!event.persisted) return;
  for (const button of document.querySelectorAll("form[method=post] button:disabled")) button.disabled = false;
});

/* Dark or light: the system's choice until the visitor makes one, kept in a cookie the server draws from. */
function themeNow() {
  const chosen = document.documentElement.dataset.theme;
  if (chosen !== "system") return chosen;
  return matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light";
}
for (const button of document.querySelectorAll("[data-theme-toggle]")) {
  button.hidden = false;
  button.addEventListener("click", () => {
    const next = themeNow() === "dark" ? "light" : "dark";
    document.documentElement.dataset.theme = next;
    document.cookie = `theme=${next}; path=/; max-age=31536000; samesite=lax`;
  });
}

setInterval(tickAges, TICK_MS);
