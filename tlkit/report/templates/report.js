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
