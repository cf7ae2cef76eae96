// Forms: sent once, filters without the empty ones, and back where one was.
document.addEventListener("submit", (event) => {
  const form = event.target;
  if (event.defaultPrevented) return;
  if (form.method === "get") {
    if (form.contains(document.activeElement) && document.activeElement.id) sessionStorage.setItem("focus", document.activeElement.id);
    for (const field of form.elements) field.disabled = field.name !== "" && field.value === "";
    return;
  }
  setTimeout(() => {
    for (const button of form.querySelectorAll("button[type=submit]")) {
      button.disabled = true;
      if (button.dataset.busy) button.lastElementChild.textContent = button.dataset.busy;
    }
  });
});
window.addEventListener("pageshow", (event) => {
  if (!event.persisted) return;
  for (const field of document.querySelectorAll("form :disabled")) field.disabled = false;
});

/* The filter one has just used has the focus again, unless the page has pointed at something better. */
const before = document.getElementById(sessionStorage.getItem("focus"));
sessionStorage.removeItem("focus");
if (before?.closest("[data-form=filters]") && document.activeElement === document.body) before.focus({ preventScroll: true });
