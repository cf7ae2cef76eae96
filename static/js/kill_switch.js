// A halt is believed only when the server has confirmed it. Without this file the form is sent by the browser itself.
"use strict";

const UNCONFIRMED =
  "Not confirmed: assume trading is ON. Press again; twice does no harm. If it keeps failing, run on the server: flask --app wsgi halt";

function answered(event) {
  return event.target.matches("form[data-form=kill-switch-on]") && event.target.querySelector("[data-unconfirmed]");
}

for (const name of ["htmx:sendError", "htmx:timeout", "htmx:responseError"]) {
  document.addEventListener(name, (event) => {
    const note = answered(event);
    if (!note) return;
    const status = event.detail.xhr?.status;
    note.textContent = status ? `${UNCONFIRMED} (the server answered ${status})` : `${UNCONFIRMED} (no answer came)`;
    note.hidden = false;
  });
}
document.addEventListener("htmx:beforeRequest", (event) => {
  const note = answered(event);
  if (note) note.hidden = true;
});
