// The one thing this worker does: when a page cannot be fetched, say so calmly. It keeps two pages and no data.
const PAGES = { GET: "/offline", POST: "/offline?sent=yes" };
const SHELF = "paperdesk";

/* Without cookies: what is kept shows nobody's name. */
async function keep() {
  const shelf = await caches.open(SHELF);
  await Promise.all(Object.values(PAGES).map(async (path) => shelf.put(path, await fetch(path, { credentials: "omit", cache: "no-store" }))));
}

self.addEventListener("install", (event) => event.waitUntil(keep().then(() => self.skipWaiting())));
self.addEventListener("activate", (event) => event.waitUntil(self.clients.claim()));
self.addEventListener("fetch", (event) => {
  const { mode, method } = event.request;
  if (mode !== "navigate" || !(method in PAGES)) return;
  event.respondWith(fetch(event.request).catch(async (failure) => {
    const page = await caches.match(PAGES[method]);
    if (!page) throw failure;
    return new Response(page.body, { status: 503, headers: page.headers });
  }));
});
