"use strict";
// The page is complete without this script. It never makes HTML of a text: names of classes and files are strangers'.

// Sort a table by a click on the head of a column; a second click turns the order round.
for (const table of document.querySelectorAll("table.sortable")) {
  const [head, ...rows] = table.rows;
  const number = (cell) => parseFloat(cell.textContent.replaceAll(",", ""));
  [...(head ? head.cells : [])].forEach((cell, column) => {
    const button = document.createElement("button");
    button.type = "button";
    button.append(...cell.childNodes);
    cell.append(button);
    const numeric = cell.classList.contains("n");
    button.addEventListener("click", () => {
      const down = cell.ariaSort ? cell.ariaSort === "ascending" : numeric;
      for (const each of head.cells) each.removeAttribute("aria-sort");
      cell.setAttribute("aria-sort", down ? "descending" : "ascending");
      const compare = (a, b) => {
        if (!numeric) return a.textContent.localeCompare(b.textContent, "en", { numeric: true }) * (down ? -1 : 1);
        const [x, y] = [number(a), number(b)];
        return isNaN(x) || isNaN(y) ? isNaN(x) - isNaN(y) : (x - y) * (down ? -1 : 1);
      };
      rows.sort((a, b) => compare(a.cells[column], b.cells[column]));
      head.parentNode.append(...rows);
    });
  });
}

// Show the images of a cell below the matrix, where they stay in reach; without this, the cell's address does it.
let shown = null;
const close = () => {
  if (!shown) return;
  shown.images.classList.remove("open");
  shown.link.focus({ preventScroll: true });
  shown = null;
};
for (const link of document.querySelectorAll(".confusion td a")) {
  const images = document.getElementById(link.hash.slice(1));
  link.setAttribute("aria-haspopup", "true");
  link.addEventListener("click", (event) => {
    event.preventDefault();
    close();
    images.classList.add("open");
    images.scrollTop = 0;
    images.focus({ preventScroll: true });
    shown = { images, link };
  });
}
for (const link of document.querySelectorAll(".cell .close")) {
  link.addEventListener("click", (event) => {
    if (!shown) return;
    event.preventDefault();
    close();
  });
}
document.addEventListener("keydown", (event) => {
  if (event.key === "Escape") close();
});

// Show what another threshold gives.
for (const slider of document.querySelectorAll(".slider")) {
  const curves = JSON.parse(document.getElementById(slider.dataset.of).textContent);
  const [choice, range, output] = ["select", "input", "output"].map((name) => slider.querySelector(name));
  const figures = slider.querySelectorAll(".numbers b");
  const at = ({ hits, alarms, true: all, total }, step) => {
    const [found, wrong] = [hits[step], alarms[step]];
    const ratio = (part, whole) => (whole ? part / whole : NaN);
    return {
      precision: ratio(found, found + wrong), recall: ratio(found, all), f1: (2 * found) / Math.max(found + wrong + all, 1),
      counts: [found, wrong, all - found, total - all - wrong],
    };
  };
  const draw = (name, curve, places) => {
    const points = places.map((step) => [step, at(curve, step)[name]]).filter(([, value]) => !isNaN(value));
    const path = points.map(([step, value]) => `${step} ${100 - 100 * value}`).join("L");
    slider.querySelector(`.${name}`).setAttribute("d", path && `M${path}`);
  };
  const update = () => {
    const [curve, step] = [curves[choice.selectedIndex], Number(range.value)];
    const now = at(curve, step);
    const texts = [now.precision, now.recall, now.f1].map((value) => (isNaN(value) ? "–" : value.toFixed(3)));
    [...texts, ...now.counts.map((count) => count.toLocaleString("en"))].forEach((text, place) => {
      figures[place].textContent = text;
    });
    output.textContent = (step / 100).toFixed(2);
    for (const name of ["precision", "recall"]) draw(name, curve, [...curve.hits.keys()]);
    slider.querySelector(".mark").setAttribute("d", `M${step} 0V100`);
  };
  choice.addEventListener("change", update);
  range.addEventListener("input", update);
  update();
  slider.hidden = false;
}
