// What makes the pages of the catalogue quicker to use; all of them work without it.
const search = document.getElementById("q");
const titles = [...document.querySelectorAll(".hit .title")];

function typing(target) {
  return target.closest?.("input, textarea, select, [contenteditable]");
}

function step(by) {
  const here = titles.indexOf(document.activeElement);
  const next = here < 0 ? (by > 0 ? 0 : titles.length - 1) : here + by;
  if (next < 0) search?.focus();
  else titles[Math.min(next, titles.length - 1)]?.focus();
}

addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || event.defaultPrevented) return;
  const inSearch = event.target === search;
  if (typing(event.target) && !inSearch) return;
  if (inSearch) {
    if (event.key === "Escape") search.blur();
    else if (event.key === "ArrowDown" && titles.length) step(1);
    else return;
  } else if (event.key === "/" && search) {
    search.focus();
    search.select();
  } else if (event.key === "j" || (event.key === "ArrowDown" && titles.includes(event.target))) {
    step(1);
  } else if (event.key === "k" || (event.key === "ArrowUp" && titles.includes(event.target))) {
    step(-1);
  } else {
    return;
  }
  event.preventDefault();
});

// A click on a facet loads a page; the reader stays where they were.
const PLACE = "osler-place";
document.getElementById("filters")?.addEventListener("click", (event) => {
  const link = event.target.closest("a[id]");
  const opened = [...document.querySelectorAll("#filters details[open]")].map(
    (one) => one.closest(".facet").dataset.facet,
  );
  if (link) sessionStorage.setItem(PLACE, JSON.stringify([link.id, scrollY, opened]));
});
const place = JSON.parse(sessionStorage.getItem(PLACE) ?? "null");
sessionStorage.removeItem(PLACE);
if (place) {
  for (const facet of place[2])
    document.querySelector(`.facet[data-facet="${CSS.escape(facet)}"] details`)?.setAttribute("open", "");
  document.getElementById(place[0])?.focus({ preventScroll: true });
  scrollTo({ top: place[1], behavior: "instant" });
}
