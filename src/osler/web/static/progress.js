// Figures anew every five seconds, while somebody looks.
import "./server.js";

const figures = document.getElementById("figures");
setInterval(async () => {
  if (document.hidden) return;
  const answer = await fetch("/progress/figures", { credentials: "same-origin" }).catch(() => null);
  if (!answer?.ok || answer.redirected) return;
  const page = new DOMParser().parseFromString(await answer.text(), "text/html");
  figures.replaceChildren(...page.body.childNodes);
}, 5000);
