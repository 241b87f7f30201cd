// Looks again for work, and takes the last decision back.
import { post } from "./server.js";

const undo = async () => {
  const message = document.getElementById("message");
  try {
    const told = await post("/api/undo");
    if (told.next) location.assign(told.next);
    else message.textContent = "There is no decision of yours to undo.";
  } catch (error) {
    message.textContent = error.message;
  }
};
document.getElementById("undo").addEventListener("click", undo);
addEventListener("keydown", (event) => {
  if ((event.ctrlKey || event.metaKey) && event.key.toLowerCase() === "z") undo();
});
setInterval(() => document.hidden || location.reload(), 10000);
