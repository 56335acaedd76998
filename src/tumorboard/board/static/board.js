// Small conveniences; every page says all it has to say without them.
"use strict";

for (const viewer of document.querySelectorAll(".exam")) {
  viewer.addEventListener("change", ({ target }) => {
    if (target.type === "radio") {
      for (const part of viewer.querySelectorAll(".planes .kind, .scale .kind")) {
        part.hidden = !part.classList.contains(`kind-${target.value}`);
      }
    }
    if (target.type === "checkbox") {
      for (const outline of viewer.querySelectorAll("[data-run]")) {
        if (outline.dataset.run === target.value) outline.toggleAttribute("hidden", !target.checked);
      }
    }
  });
}

for (const field of document.querySelectorAll("input.filter")) {
  const rows = document.querySelectorAll(`table.${field.dataset.table} tbody tr`);
  field.addEventListener("input", () => {
    const wanted = field.value.trim().toLowerCase();
    for (const row of rows) row.hidden = !row.textContent.toLowerCase().includes(wanted);
  });
}

for (const table of document.querySelectorAll("table.sortable")) {
  const heads = [...table.tHead.rows[0].cells];
  heads.forEach((head, column) => {
    const text = head.textContent.trim();
    if (!text) return;
    const button = Object.assign(document.createElement("button"), { type: "button", textContent: text });
    head.replaceChildren(button);
    button.addEventListener("click", () => {
      const upwards = head.getAttribute("aria-sort") !== "ascending";
      for (const other of heads) other.removeAttribute("aria-sort");
      head.setAttribute("aria-sort", upwards ? "ascending" : "descending");
      sortRows(table.tBodies[0], column, upwards, head.classList.contains("num"));
    });
  });
}

// Empty cells stay last in both directions.
function sortRows(body, column, upwards, numeric) {
  const keyed = [...body.rows].map((row) => [row.cells[column].textContent.trim(), row]);
  const missing = (text) => text === "" || text === "–";
  keyed.sort(([a], [b]) => {
    if (missing(a) || missing(b)) return missing(a) - missing(b);
    const order = numeric ? parseFloat(a) - parseFloat(b) : a.localeCompare(b, undefined, { numeric: true });
    return upwards ? order : -order;
  });
  body.append(...keyed.map(([, row]) => row));
}

document.addEventListener("keydown", (event) => {
  if (event.target.matches("input, textarea, select, .scroll") || event.altKey || event.ctrlKey || event.metaKey) return;
  const rel = { ArrowLeft: "prev", ArrowRight: "next" }[event.key];
  const link = rel && document.querySelector(`a[rel=${rel}]`);
  if (link) link.click();
});
