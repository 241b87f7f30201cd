// The token comes in the part of the address that is never sent, and leaves it at once.
import { post } from "./server.js";

const form = document.getElementById("log-in");
const message = document.getElementById("message");
const given = new URLSearchParams(location.hash.slice(1)).get("token");
if (given) {
  form.elements.token.value = given;
  document.getElementById("token-row").hidden = true;
  history.replaceState(null, "", location.pathname + location.search);
}
form.addEventListener("submit", async (event) => {
  event.preventDefault();
  message.hidden = true;
  try {
    await post("/login", { token: form.elements.token.value, rater: form.elements.rater.value });
    location.replace(document.getElementById("main").dataset.next);
  } catch (error) {
    message.textContent = error.message;
    message.hidden = false;
    if (error.code === "token") document.getElementById("token-row").hidden = false;
  }
});
