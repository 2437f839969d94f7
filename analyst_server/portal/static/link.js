// Tell that the browser has handed the sign-in over: a custom URL leaves the page as it is.
"use strict";
const form = document.getElementById("authorize");
form?.addEventListener("submit", (event) => {
  const next = document.getElementById("next");
  if (event.submitter?.value !== "authorize" || !next) return;
  setTimeout(() => {
    for (const button of form.querySelectorAll(".row button")) button.disabled = true;
    next.textContent = "Handed over. Look at your terminal or app; you can close this page.";
  }, 0);
});
