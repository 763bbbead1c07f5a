/* Tables that can be sorted by a click on a heading, and filtered by a word. */
"use strict";
(() => {
  const value = (row, column) => {
    const cell = row.cells[column];
    return cell.dataset.value ?? cell.textContent.trim();
  };
  const compare = (a, b) => {
    const [x, y] = [Number.parseFloat(a), Number.parseFloat(b)];
    if (Number.isNaN(x) !== Number.isNaN(y)) return Number.isNaN(x) ? 1 : -1; // no number: last
    return Number.isNaN(x) ? a.localeCompare(b, undefined, { numeric: true }) : x - y;
  };

  function sortable(table) {
    [...table.tHead.rows[0].cells].forEach((head, column) => {
      const button = document.createElement("button");
      button.type = "button";
      button.className = "sort";
      button.append(...head.childNodes);
      head.append(button);
      button.addEventListener("click", () => {
        const up = head.ariaSort !== "ascending";
        for (const other of table.tHead.rows[0].cells) other.removeAttribute("aria-sort");
        head.ariaSort = up ? "ascending" : "descending";
        const rows = [...table.tBodies[0].rows];
        const words = rows.every((row) => Number.isNaN(Number.parseFloat(value(row, column))));
        rows.sort((a, b) => {
          const [x, y] = [value(a, column), value(b, column)];
          const order = words ? x.localeCompare(y, undefined, { numeric: true }) : compare(x, y);
          const missing = !words && Number.isNaN(Number.parseFloat(x)) !== Number.isNaN(Number.parseFloat(y));
          return up || missing ? order : -order;
        });
        table.tBodies[0].append(...rows);
      });
    });
  }

  function filterable(table) {
    const label = document.createElement("label");
    const field = document.createElement("input");
    const count = document.createElement("span");
    field.type = "search";
    label.append("Filter ", field, " ", count);
    label.className = "filter";
    count.className = "soft";
    count.setAttribute("role", "status");
    field.addEventListener("input", () => {
      const words = field.value.toLowerCase().split(/\s+/).filter(Boolean);
      let shown = 0;
      for (const row of table.tBodies[0].rows) {
        const text = row.textContent.toLowerCase();
        row.hidden = !words.every((word) => text.includes(word));
        shown += !row.hidden;
      }
      count.textContent = words.length ? `${shown} of ${table.tBodies[0].rows.length}` : "";
    });
    table.closest(".scroll").before(label);
  }

  for (const table of document.querySelectorAll("table.sortable")) {
    if (table.tBodies[0].rows.length > 1) sortable(table);
    if (table.tBodies[0].rows.length > 10) filterable(table);
  }
})();
