"use strict";
// Shows the rows that were asked for. Without this, all of them are shown.
const filter = document.getElementById("filter");
const count = document.getElementById("count");
if (filter) {
  filter.hidden = false;
  filter.addEventListener("change", (event) => {
    const wanted = event.target.value;
    let shown = 0;
    for (const row of document.querySelectorAll(".row")) {
      row.hidden = wanted !== "all" && !row.dataset.is.split(" ").includes(wanted);
      shown += row.hidden ? 0 : 1;
    }
    for (const input of document.querySelectorAll(".input")) {
      input.hidden = !input.querySelector(".row:not([hidden])");
    }
    count.textContent = `${shown} shown`;
  });
}
