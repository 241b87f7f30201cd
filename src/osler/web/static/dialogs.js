// The dialogs: the list of keys, and why a task is skipped or flagged.
const dialog = document.getElementById("reasons");
const note = document.getElementById("note");
const alarm = document.getElementById("reason-message");

export function choose(id) {
  const shown = document.getElementById(id);
  shown.showModal();
  return new Promise((done) => shown.addEventListener("close", () => done(shown.returnValue), { once: true }));
}

// The reason, or null when the dialog is left. A flag needs one.
export async function reasonFor(action) {
  const flagging = action === "flag";
  document.getElementById("reasons-title").textContent = flagging ? "What is wrong with this task?" : "Why do you skip it?";
  document.getElementById("go").textContent = flagging ? "Flag" : "Skip";
  for (const list of dialog.querySelectorAll(".reasons")) list.hidden = list.dataset.for !== action;
  for (const input of dialog.querySelectorAll("input[type=radio]")) input.checked = false;
  note.value = "";
  alarm.hidden = true;
  dialog.dataset.action = action;
  dialog.returnValue = "";
  return (await choose("reasons")) === "go" ? reason() : null;
}

function reason() {
  const picked = dialog.querySelector(".reasons:not([hidden]) input:checked")?.value ?? "";
  return [picked, note.value.trim()].filter(Boolean).join(": ");
}

dialog.querySelector("form").addEventListener("submit", (event) => {
  if (event.submitter?.value !== "go" || dialog.dataset.action !== "flag" || reason()) return;
  event.preventDefault();
  alarm.textContent = "Say in a few words what is wrong.";
  alarm.hidden = false;
});
dialog.addEventListener("keydown", (event) => {
  if (event.target === note) return;
  const inputs = dialog.querySelectorAll(".reasons:not([hidden]) input");
  if (/^[1-9]$/.test(event.key) && inputs[event.key - 1]) {
    event.preventDefault();
    inputs[event.key - 1].checked = true;
    inputs[event.key - 1].focus();
  } else if (event.key === "t") {
    event.preventDefault();
    note.focus();
  }
});
