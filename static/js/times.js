// Ages tick, and what has grown too old says so, in words as in colour.
const UNITS = [[86400, "d"], [3600, "h"], [60, "min"], [1, "s"]];

function ageText(seconds) {
  if (seconds < 1) return "just now";
  let rest = Math.floor(seconds);
  const parts = [];
  for (const [size, unit] of UNITS) {
    const count = Math.floor(rest / size);
    rest -= count * size;
    if (parts.length || count) parts.push(count ? `${count}\u00a0${unit}` : "");
    if (parts.length === 2) break;
  }
  return `${parts.filter(Boolean).join(" ")} ago`;
}

/* Text that somebody is marking to copy is left alone. */
function marked(element) {
  const selection = document.getSelection();
  return !selection.isCollapsed && selection.containsNode(element, true);
}

function tick() {
  if (document.hidden) return;
  for (const element of document.querySelectorAll("time[data-age]")) {
    const seconds = (desk.now() - Date.parse(element.dateTime)) / 1000;
    const stale = "stale" in element.dataset && seconds > Number(element.dataset.stale);
    const text = ageText(seconds) + (stale ? ", stale" : "");
    if (element.textContent === text || marked(element)) continue;
    element.textContent = text;
    element.classList.toggle("stale", stale);
  }
}

/* The server writes times by the visitor's clock, or both in a title, once it knows their zone. */
const zone = Intl.DateTimeFormat().resolvedOptions().timeZone;
if (zone && !document.cookie.split("; ").includes(`zone=${zone}`)) desk.keep("zone", zone);

document.addEventListener("visibilitychange", tick);
setInterval(tick, 1000);
