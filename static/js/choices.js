// The theme changes at once; the server draws the next page from the same cookie.
document.addEventListener("click", (event) => {
  const button = event.target.closest?.(".choices button[name=theme]");
  if (!button) return;
  event.preventDefault();
  document.documentElement.dataset.theme = button.value;
  desk.keep("theme", button.value);
  for (const other of button.parentElement.children) other.setAttribute("aria-pressed", String(other === button));
});
