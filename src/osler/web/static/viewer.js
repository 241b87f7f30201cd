// One image: window and level on its own values, zoom, pan, invert.
import { decodeGrey16 } from "./png16.js";

export class Viewer {
  constructor(figure) {
    this.figure = figure;
    this.stage = figure.querySelector(".stage");
    this.canvas = figure.querySelector("canvas");
    this.told = figure.querySelector(".window");
    this.full = [0, 255];
    this.reset();
    this.loaded = this.load().catch((error) => this.absent(error));
    for (const button of figure.querySelectorAll("[data-do]"))
      button.addEventListener("click", () => this.act(button.dataset.do));
    this.stage.addEventListener("wheel", (event) => this.wheel(event), { passive: false });
    this.stage.addEventListener("pointerdown", (event) => this.grab(event));
    this.stage.addEventListener("contextmenu", (event) => event.preventDefault());
  }

  async load() {
    const answer = await fetch(this.figure.dataset.image, { credentials: "same-origin" });
    if (!answer.ok) throw new Error((await answer.json().catch(() => ({}))).error ?? "not found");
    const buffer = await answer.arrayBuffer();
    const grey = await decodeGrey16(buffer);
    this.data = grey ?? (await decode8(buffer, answer.headers.get("content-type")));
    this.full = grey ? extent(grey.values) : [0, 255];
    this.canvas.width = this.data.width;
    this.canvas.height = this.data.height;
    this.out = new ImageData(this.data.width, this.data.height);
    this.reset();
  }

  absent(error) {
    const place = this.figure.querySelector(".absent");
    place.textContent = `This image cannot be shown: ${error.message}. Flag the task, or decide without it.`;
    place.hidden = false;
    this.told.textContent = "no image";
    this.figure.dataset.ready = "no";
  }

  reset() {
    [this.low, this.high] = this.full;
    [this.zoom, this.x, this.y, this.inverted] = [1, 0, 0, false];
    this.show();
  }

  act(what) {
    const [centre, width] = [(this.low + this.high) / 2, this.high - this.low];
    const range = this.full[1] - this.full[0];
    const doing = {
      in: () => this.scale(1.25),
      out: () => this.scale(0.8),
      reset: () => this.reset(),
      invert: () => ((this.inverted = !this.inverted), this.show()),
      narrow: () => this.setWindow(centre, width * 0.85),
      wide: () => this.setWindow(centre, width / 0.85),
      brighter: () => this.setWindow(centre - range * 0.04, width),
      darker: () => this.setWindow(centre + range * 0.04, width),
      left: () => this.pan(40, 0),
      right: () => this.pan(-40, 0),
      up: () => this.pan(0, 40),
      down: () => this.pan(0, -40),
    };
    doing[what]?.();
  }

  setWindow(centre, width) {
    const [from, to] = this.full;
    const range = to - from;
    const wide = Math.min(Math.max(width, range / 256), range * 2);
    const middle = Math.min(Math.max(centre, from - range / 2), to + range / 2);
    [this.low, this.high] = [middle - wide / 2, middle + wide / 2];
    this.show();
  }

  scale(factor, x = 0, y = 0) {
    const zoom = Math.min(Math.max(this.zoom * factor, 1), 32);
    const by = zoom / this.zoom; // the point under the pointer stays where it is
    [this.x, this.y] = [x - (x - this.x) * by, y - (y - this.y) * by];
    this.zoom = zoom;
    this.pan(0, 0);
  }

  pan(dx, dy) {
    const box = this.stage.getBoundingClientRect();
    const [far, deep] = [((this.zoom - 1) * box.width) / 2, ((this.zoom - 1) * box.height) / 2];
    this.x = Math.min(Math.max(this.x + dx, -far), far);
    this.y = Math.min(Math.max(this.y + dy, -deep), deep);
    this.show();
  }

  wheel(event) {
    event.preventDefault();
    const box = this.stage.getBoundingClientRect();
    const [x, y] = [event.clientX - box.left - box.width / 2, event.clientY - box.top - box.height / 2];
    this.scale(event.deltaY < 0 ? 1.15 : 1 / 1.15, x, y);
  }

  grab(event) {
    const touch = event.pointerType === "touch";
    if (touch && this.zoom === 1) return; // a finger scrolls the page
    const panning = touch || event.shiftKey || event.button !== 0;
    event.preventDefault();
    this.stage.setPointerCapture(event.pointerId);
    this.stage.classList.toggle("panning", panning);
    const range = this.full[1] - this.full[0];
    const move = (now) => {
      if (panning) return this.pan(now.movementX, now.movementY);
      const [centre, width] = [(this.low + this.high) / 2, this.high - this.low];
      this.setWindow(centre + (now.movementY * range) / 400, width + (now.movementX * range) / 300);
    };
    const end = () => {
      this.stage.removeEventListener("pointermove", move);
      this.stage.classList.remove("panning");
    };
    this.stage.addEventListener("pointermove", move);
    for (const name of ["pointerup", "pointercancel"])
      this.stage.addEventListener(name, end, { once: true });
  }

  show() {
    this.waiting ??= requestAnimationFrame(() => {
      this.waiting = undefined;
      this.draw();
    });
  }

  draw() {
    this.canvas.style.transform = `translate(${this.x}px, ${this.y}px) scale(${this.zoom})`;
    this.canvas.classList.toggle("pixels", this.zoom >= 3);
    this.stage.classList.toggle("zoomed", this.zoom > 1);
    const button = this.figure.querySelector('[data-do="invert"]');
    button.setAttribute("aria-pressed", String(this.inverted));
    if (!this.data) return;
    this.paint();
    this.figure.dataset.ready = "yes";
    const [level, width] = [Math.round((this.low + this.high) / 2), Math.round(this.high - this.low)];
    const zoom = this.zoom > 1 ? ` · ${this.zoom.toFixed(1)}×` : "";
    this.told.textContent = `level ${level}, width ${width}${zoom}`;
  }

  paint() {
    const { values, grey } = this.data;
    const table = this.table(grey ? 65536 : 256);
    const to = this.out.data;
    if (grey)
      for (let i = 0, j = 0; i < values.length; i++, j += 4) {
        to[j] = to[j + 1] = to[j + 2] = table[values[i]];
        to[j + 3] = 255;
      }
    else
      for (let j = 0; j < values.length; j += 4) {
        to[j] = table[values[j]];
        to[j + 1] = table[values[j + 1]];
        to[j + 2] = table[values[j + 2]];
        to[j + 3] = values[j + 3];
      }
    this.canvas.getContext("2d").putImageData(this.out, 0, 0);
  }

  // What each value of the image becomes: a line from low (black) to high (white).
  table(size) {
    const table = new Uint8ClampedArray(size);
    const slope = 255 / Math.max(this.high - this.low, 1e-9);
    for (let value = 0; value < size; value++) {
      const shown = (value - this.low) * slope;
      table[value] = this.inverted ? 255 - shown : shown;
    }
    return table;
  }
}

async function decode8(buffer, type) {
  const options = { colorSpaceConversion: "none", premultiplyAlpha: "none" };
  const picture = await createImageBitmap(new Blob([buffer], { type }), options).catch(() => {
    throw new Error("its file is broken");
  });
  const canvas = new OffscreenCanvas(picture.width, picture.height);
  const context = canvas.getContext("2d");
  context.drawImage(picture, 0, 0);
  const values = context.getImageData(0, 0, picture.width, picture.height).data;
  return { width: picture.width, height: picture.height, values, grey: false };
}

function extent(values) {
  let [low, high] = [65535, 0];
  for (const value of values) {
    if (value < low) low = value;
    if (value > high) high = value;
  }
  return low < high ? [low, high] : [0, 65535];
}
