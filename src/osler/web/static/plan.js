// The plan follows the form, and the address follows both.
const form = document.getElementById("goal");
const plan = document.getElementById("plan");
let waiting = 0;
let asking = null;

function query() {
  const fields = [...new FormData(form)].filter(([, text]) => text.trim());
  return new URLSearchParams(fields).toString();
}

// The short address that the server tells, and the plan to compare with.
function address(short) {
  const all = new URLSearchParams(short);
  const against = form.elements.against?.value;
  if (against) all.set("against", against);
  return `/plan${all.size ? `?${all}` : ""}`;
}

async function follow() {
  asking?.abort();
  asking = new AbortController();
  plan.setAttribute("aria-busy", "true");
  try {
    const text = query();
    const answer = await fetch(`/plan/figures?${text}`, { signal: asking.signal });
    if (answer.status !== 200 && answer.status !== 400) return;
    const page = new DOMParser().parseFromString(await answer.text(), "text/html");
    const opened = [...plan.querySelectorAll("details[open]")].map((one) => one.dataset.key);
    plan.replaceChildren(...page.body.childNodes);
    for (const one of plan.querySelectorAll("details"))
      one.open = opened.includes(one.dataset.key);
    history.replaceState(null, "", address(plan.querySelector("[data-query]")?.dataset.query ?? text));
  } catch (error) {
    if (error.name === "AbortError") return;
  }
  plan.setAttribute("aria-busy", "false");
}

form.addEventListener("input", () => {
  clearTimeout(waiting);
  waiting = setTimeout(follow, 250);
});
