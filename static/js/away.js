// A server that does not answer is asked less and less often, and the page says from when on it is old.
const FIRST_PAUSE_MS = 4000;
const LONGEST_PAUSE_MS = 30000;
const PATIENCE_MS = 8000;

const bar = document.getElementById("away");
let answeredAt = desk.now();
let pause = 0;
let askAgainAt = 0;

function away() {
  pause = Math.min(pause * 2 || FIRST_PAUSE_MS, LONGEST_PAUSE_MS);
  askAgainAt = Date.now() + pause;
  if (!bar.hidden) return;
  const since = new Date(answeredAt).toISOString().slice(11, 19);
  bar.querySelector("[data-away-text]").textContent = `No answer since ${since} UTC: what you see is old.`;
  bar.hidden = false;
  document.documentElement.classList.add("is-away");
}

function back() {
  if (document.querySelector("[data-offline]")) location.replace(location.pathname === "/offline" ? "/" : location.href);
  answeredAt = desk.now();
  pause = askAgainAt = 0;
  if (bar.hidden) return;
  bar.hidden = true;
  document.documentElement.classList.remove("is-away");
  desk.announce("The desk answers again.");
  desk.refresh();
}

function askNow() {
  askAgainAt = 0;
  desk.refresh();
}

document.addEventListener("htmx:configRequest", (event) => {
  if (desk.polls(event.target)) event.detail.timeout = PATIENCE_MS;
});
document.addEventListener("htmx:beforeRequest", (event) => {
  if (desk.polls(event.target) && Date.now() < askAgainAt) event.preventDefault();
});
for (const name of ["htmx:sendError", "htmx:timeout"]) {
  document.addEventListener(name, (event) => {
    if (desk.polls(event.target)) away();
  });
}
/* An answer that says the database is away is no news either. */
document.addEventListener("htmx:afterRequest", (event) => {
  const status = event.detail.xhr.status;
  if (!desk.polls(event.target) || !status) return;
  if (status >= 500) away();
  else back();
});
bar.querySelector("button").addEventListener("click", askNow);
window.addEventListener("online", askNow);
window.addEventListener("offline", away);
