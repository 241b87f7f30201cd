"use strict";
// Tables sort by a click on a heading; images of examples grow on a click.
for (const table of document.querySelectorAll("table.sortable")) {
  const body = table.tBodies[0];
  const heads = [...table.tHead.rows[0].cells];
  const value = (row, i) => {
    const cell = row.cells[i];
    return cell.dataset.sort !== undefined ? cell.dataset.sort : cell.textContent.trim();
  };
  heads.forEach((head, i) => {
    const button = document.createElement("button");
    button.type = "button";
    button.textContent = head.textContent;
    if (head.title) button.title = head.title;
    head.replaceChildren(button);
    button.addEventListener("click", () => {
      const up = head.getAttribute("aria-sort") !== "ascending";
      for (const other of heads) other.removeAttribute("aria-sort");
      head.setAttribute("aria-sort", up ? "ascending" : "descending");
      const numeric = head.classList.contains("num");
      const rows = [...body.rows].map((row) => [value(row, i), row]);
      rows.sort(([a], [b]) => {
        if (!numeric) return up ? a.localeCompare(b) : b.localeCompare(a);
        const x = parseFloat(a), y = parseFloat(b);
        if (Number.isNaN(x) || Number.isNaN(y)) return Number.isNaN(x) - Number.isNaN(y);
        return up ? x - y : y - x;
      });
      body.append(...rows.map(([, row]) => row));
    });
  });
}
// A box that does not scroll needs no stop of the Tab key.
const stops = () => {
  for (const box of document.querySelectorAll(".scroll")) {
    if (box.scrollWidth > box.clientWidth) box.tabIndex = 0;
    else box.removeAttribute("tabindex");
  }
};
stops();
addEventListener("resize", stops);
for (const shot of document.querySelectorAll(".shot")) {
  const image = shot.querySelector("img");
  if (!image) continue;
  const button = document.createElement("button");
  button.type = "button";
  button.setAttribute("aria-expanded", "false");
  image.replaceWith(button);
  button.append(image);
  button.addEventListener("click", () => {
    const large = shot.classList.toggle("large");
    button.setAttribute("aria-expanded", String(large));
  });
}
