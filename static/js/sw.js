// The one thing this worker does: when a page cannot be fetched, say so calmly. It keeps two pages and no data.
const PAGES = { GET: "/offline", POST: "/offline?sent=yes" };
const SHELF = "paperdesk";
const STATIC = /(?:href|src)="(\/static\/[^"#]+)/g;

/* Without cookies: what is kept shows nobody's name. What the pages are drawn with is kept beside them. */
async function keep() {
  await caches.delete(SHELF);
  const shelf = await caches.open(SHELF);
  for (const path of Object.values(PAGES)) {
    const page = await fetch(path, { credentials: "omit", cache: "no-store" });
    const drawnWith = [...(await page.clone().text()).matchAll(STATIC)].map((match) => match[1].replaceAll("&amp;", "&"));
    await shelf.put(path, page);
    await shelf.addAll([...new Set(drawnWith)]);
  }
}

async function kept(name, status) {
  const found = await caches.match(name);
  if (!found) return Response.error();
  return status ? new Response(found.body, { status, headers: found.headers }) : found;
}

self.addEventListener("install", (event) => event.waitUntil(keep().then(() => self.skipWaiting())));
self.addEventListener("activate", (event) => event.waitUntil(self.clients.claim()));
self.addEventListener("fetch", (event) => {
  const { mode, method, url } = event.request;
  if (mode === "navigate" && method in PAGES) event.respondWith(fetch(event.request).catch(() => kept(PAGES[method], 503)));
  else if (new URL(url).pathname.startsWith("/static/")) event.respondWith(fetch(event.request).catch(() => kept(url)));
});
