// The review page: keys, the form, what is sent.
import { choose, reasonFor } from "./dialogs.js";
import { Clock, Saver } from "./saving.js";
import { post } from "./server.js";
import { Viewer } from "./viewer.js";

const main = document.getElementById("main");
const form = document.getElementById("decision");
const message = document.getElementById("message");
const saved = JSON.parse(main.dataset.saved);
const draft = JSON.parse(main.dataset.draft);
const viewers = [...document.querySelectorAll(".viewer")].map((figure) => new Viewer(figure));
const votes = [...document.querySelectorAll(".vote")].map(({ dataset }) => ({
  answer: dataset.answer,
  verdict: dataset.verdict,
  description: dataset.description.trim(),
}));
const options = [...form.querySelectorAll('.option input[name="answer"]')];
const text = form.elements.description;
const clock = new Clock(Number(saved.seconds) || 0);
const saver = new Saver(main.dataset.task, read, (told) => {
  document.getElementById("saved").textContent = told;
});
let sending = false;

function chosen(name) {
  return form.querySelector(`input[name="${name}"]:checked`)?.value ?? "";
}

function answer() {
  return options.length ? chosen("answer") : (form.elements.answer?.value ?? "");
}

function axes() {
  const graded = {};
  for (const axis of form.querySelectorAll(".axis")) {
    const grade = chosen(`axis-${axis.dataset.axis}`);
    if (grade !== "") graded[axis.dataset.axis] = Number(grade);
  }
  return graded;
}

function read() {
  return {
    answer: answer(),
    verdict: chosen("verdict"),
    description: text.value,
    axes: axes(),
    seconds: clock.tick(),
  };
}

function pick(name, value) {
  for (const input of form.querySelectorAll(`input[name="${name}"]`))
    if (input.value === value) input.checked = true;
}

function fill(values) {
  if (options.length) pick("answer", values.answer);
  else if (values.answer && form.elements.answer) form.elements.answer.value = values.answer;
  if (values.verdict) pick("verdict", values.verdict);
  for (const [axis, grade] of Object.entries(values.axes ?? {})) pick(`axis-${axis}`, String(grade));
}

function tell(told, bad = false) {
  message.textContent = told;
  message.classList.toggle("bad", bad);
}

function leave(next) {
  saver.on = false;
  location.assign(next);
}

async function send(path, body, waiting) {
  if (sending) return;
  sending = true;
  tell(waiting);
  try {
    const told = await post(path, body);
    if (told.next) return leave(told.next);
    tell("There is no decision of yours to undo.");
  } catch (error) {
    if (error.code === "decided") return leave("/review"); // an answer that was lost on its way
    if (error.code === "login") tell("You are logged out. Log in again in another tab, then repeat.", true);
    else tell(error.message, true);
  }
  sending = false;
}

function decide(action, note = "") {
  const { seconds, ...made } = read();
  return send("/api/submit", { task: main.dataset.task, seconds, decision: { ...made, action, note } }, "Sending");
}

function submit() {
  if (options.length && !answer()) return tell("Choose an answer first, or skip or flag the task.", true);
  if (!answer() && !text.value.trim() && !chosen("verdict"))
    return tell("Decide something first: an answer, a description or a verdict.", true);
  return decide("label");
}

async function refuse(action) {
  const note = await reasonFor(action);
  if (note !== null) decide(action, note);
}

// Texts that this page put into the form itself, and may replace; what a person wrote stays.
const offered = new Set(["", draft.description ?? "", ...votes.map((vote) => vote.description)]);

function accept(values = draft) {
  if (!values || !Object.keys(values).length) return tell("There is nothing to take over.");
  const own = !offered.has(text.value.trim());
  fill(values);
  if (!own) text.value = values.description ?? "";
  saver.changed();
  tell(own ? "Taken over, with your own description. Enter submits it." : "Taken over. Enter submits it.");
}

function nextAxis() {
  const all = [...form.querySelectorAll(".axis")];
  if (!all.length) return;
  const here = all.findIndex((axis) => axis.contains(document.activeElement));
  const axis = all[(here + 1) % all.length];
  (axis.querySelector("input:checked") ?? axis.querySelector("input")).focus();
}

function undo() {
  saver.flush();
  return send("/api/undo", {}, "Undoing");
}

const view = (what) => () => viewers.forEach((viewer) => viewer.act(what));
const KEYS = {
  g: () => pick("verdict", "good"),
  u: () => pick("verdict", "usable"),
  r: () => pick("verdict", "reject"),
  y: () => accept(),
  v: () => accept(votes[0]),
  w: () => accept(votes[1]),
  x: nextAxis,
  t: () => text.focus(),
  a: () => document.getElementById("free")?.focus(), // where there are options, A is one
  s: () => refuse("skip"),
  f: () => refuse("flag"),
  z: undo,
  p: () => leave("/progress"),
  "?": () => choose("keys"),
  Enter: submit,
  "+": view("in"),
  "=": view("in"),
  "-": view("out"),
  0: view("reset"),
  i: view("invert"),
  "[": view("wide"),
  "]": view("narrow"),
  ",": view("darker"),
  ".": view("brighter"),
};
const PAN = { ArrowLeft: "left", ArrowRight: "right", ArrowUp: "up", ArrowDown: "down" };
const CHANGING = new Set(["g", "u", "r"]);

// An option by its letter, where the letter means nothing else, or by its place.
function optionOf(key) {
  const byLetter = options.find((input) => input.value.toLowerCase() === key.toLowerCase());
  if (byLetter && (key.toLowerCase() === "a" || !(key.toLowerCase() in KEYS))) return byLetter;
  return /^[1-9]$/.test(key) ? options[Number(key) - 1] : undefined;
}

function onKey(event) {
  if (document.querySelector("dialog[open]")) return;
  const command = event.ctrlKey || event.metaKey;
  const typing = event.target.matches('textarea, input:not([type="radio"])');
  const act = (action) => (event.preventDefault(), action());
  if (event.key === "Enter" && command) return act(submit);
  if (event.key === "Escape") return document.activeElement?.blur();
  if (typing) return event.key === "Enter" && event.target.matches("input") ? act(submit) : undefined;
  if (command && event.key.toLowerCase() === "z") return act(undo);
  if (command || event.altKey) return;
  if (event.shiftKey && PAN[event.key]) return act(view(PAN[event.key]));
  if (event.key === "Enter" && event.target.closest("button, a, summary")) return;
  const axis = event.target.closest(".axis");
  if (axis && /^[012]$/.test(event.key))
    return act(() => (pick(`axis-${axis.dataset.axis}`, event.key), saver.changed(), nextAxis()));
  const option = optionOf(event.key);
  if (option) return act(() => ((option.checked = true), option.focus(), saver.changed()));
  const action = KEYS[event.key] ?? KEYS[event.key.toLowerCase()];
  if (action) act(() => (action(), CHANGING.has(event.key.toLowerCase()) && saver.changed()));
}

fill(saved);
if (saved.description) text.value = saved.description;
if (Object.keys(saved).length) tell("Your draft is back.");
addEventListener("keydown", onKey);
form.addEventListener("input", () => saver.changed());
form.addEventListener("submit", (event) => (event.preventDefault(), submit()));
document.getElementById("skip").addEventListener("click", () => refuse("skip"));
document.getElementById("flag").addEventListener("click", () => refuse("flag"));
document.getElementById("undo").addEventListener("click", undo);
document.getElementById("help").addEventListener("click", () => choose("keys"));
document.getElementById("accept")?.addEventListener("click", () => accept());
for (const [i, card] of document.querySelectorAll(".vote").entries())
  card.querySelector(".take")?.addEventListener("click", () => accept(votes[i]));
main.dataset.ready = "yes";
