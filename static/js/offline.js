// Lets the browser keep the page that says that the desk does not answer; see sw.js.
if ("serviceWorker" in navigator) {
  window.addEventListener("load", () => {
    setTimeout(() => navigator.serviceWorker.register(document.documentElement.dataset.worker, { scope: "/" }).catch(() => {}), 2000);
  });
}
