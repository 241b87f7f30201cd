// What is typed goes to the server as it is typed; the time spent on a task is counted here.
import { post } from "./server.js";

const LONGEST_PAUSE_S = 60;

export class Clock {
  // Seconds of work: pauses count up to a minute, a hidden page not at all.
  constructor(before) {
    this.spent = before;
    this.last = performance.now();
    for (const name of ["keydown", "pointerdown", "pointermove", "wheel", "scroll"])
      addEventListener(name, () => this.tick(), { passive: true, capture: true });
    document.addEventListener("visibilitychange", () => {
      if (document.hidden) this.tick();
      else this.last = performance.now();
    });
  }

  tick() {
    const now = performance.now();
    this.spent += Math.min((now - this.last) / 1000, LONGEST_PAUSE_S);
    this.last = now;
    return this.spent;
  }
}

export class Saver {
  constructor(task, read, tell) {
    [this.task, this.read, this.tell] = [task, read, tell];
    this.page = crypto.getRandomValues(new Uint32Array(2)).join("-");
    this.order = 0;
    this.on = true;
    addEventListener("pagehide", () => this.flush());
    document.addEventListener("visibilitychange", () => document.hidden && this.flush());
  }

  changed() {
    this.dirty = true;
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.save(), 350);
  }

  body() {
    this.order += 1;
    return { task: this.task, draft: { ...this.read(), page: this.page, order: this.order } };
  }

  async save() {
    if (this.busy || !this.on) return;
    this.busy = true;
    this.dirty = false;
    try {
      const { saved } = await post("/api/draft", this.body());
      if (this.on) this.tell(saved ? "Saved." : "Not saved: you do not hold this task any more.");
    } catch (error) {
      this.dirty = true;
      if (this.on) this.tell(`Not saved. ${error.message}`);
    }
    this.busy = false;
    if (this.dirty && this.on) this.timer = setTimeout(() => this.save(), 1500);
  }

  // The page goes away: send what is not saved yet without waiting.
  flush() {
    if (this.dirty && this.on) post("/api/draft", this.body(), true).catch(() => {});
  }
}
