"use strict";
// Sorts a table by the column whose head is clicked, and shows the rows of one environment.
for (const table of document.querySelectorAll("table.sortable")) {
  const body = table.tBodies[0];
  table.querySelectorAll("thead button").forEach((button, column) => {
    button.addEventListener("click", () => {
      const head = button.closest("th");
      const descending = head.getAttribute("aria-sort") !== "descending";
      for (const other of table.querySelectorAll("thead th")) other.removeAttribute("aria-sort");
      head.setAttribute("aria-sort", descending ? "descending" : "ascending");
      const key = (row) => row.cells[column].dataset.value ?? "";
      const isNumber = head.dataset.kind === "number";
      const compare = (a, b) => {
        if (a === "" || b === "") return (a === "") - (b === ""); // empty cells last
        const order = isNumber ? Number(a) - Number(b) : a < b ? -1 : a > b ? 1 : 0;
        return descending ? -order : order;
      };
      const rows = [...body.rows].sort((a, b) => compare(key(a), key(b)));
      body.append(...rows);
    });
  });
}
for (const select of document.querySelectorAll("select.environment")) {
  const section = select.closest("section");
  select.addEventListener("change", () => {
    for (const part of section.querySelectorAll("[data-environment]")) {
      part.hidden = select.value !== "" && part.dataset.environment !== select.value;
    }
  });
}
