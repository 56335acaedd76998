// Puts the marks where their days are; without the script they stand in a row.
"use strict";

Tumorboard.pane("timeline", (root) => {
  const line = root.querySelector(".timeline");
  line.classList.add("placed");
  const rows = [];
  for (const mark of line.querySelectorAll("[data-at]")) {
    const at = Number(mark.dataset.at);
    mark.style.left = `${at}%`;
    if (at > 70) mark.classList.add("from-right");
    let row = rows.findIndex((end) => at > end);
    if (row < 0) row = rows.length;
    rows[row] = at + 17;
    mark.style.setProperty("--row", row);
  }
  line.style.setProperty("--rows", rows.length);
});
