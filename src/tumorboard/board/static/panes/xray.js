// Words, places and lines light each other up: pointing at one shows the others.
"use strict";

Tumorboard.pane("xray", (root) => {
  for (const exam of root.querySelectorAll(".xray-exam")) {
    const rows = [...exam.querySelectorAll("tr[data-says]")];
    const placesOf = new Map(rows.map((row) => [row.dataset.says, row.dataset.places.split("|")]));
    const told = exam.querySelector(".place-now");

    const light = (says, places) => {
      for (const part of exam.querySelectorAll("[data-says]")) {
        const mine = part.dataset.says.split(" ").some((one) => says.includes(one));
        part.classList.toggle("lit", mine && (!part.dataset.place || places.includes(part.dataset.place)));
      }
      for (const part of exam.querySelectorAll(".place-box, .node[data-place]")) {
        part.classList.toggle("lit", places.includes(part.dataset.place));
      }
      if (told) told.textContent = places.join(", ");
    };
    const point = ({ target }) => {
      const word = target.closest("[data-says]");
      const place = target.closest("[data-place]");
      if (place && !place.classList.contains("edge")) {
        const name = place.dataset.place;
        light([...placesOf].filter(([, places]) => places.includes(name)).map(([one]) => one), [name]);
      } else if (word) {
        const says = word.dataset.says.split(" ");
        light(says, [...new Set(says.flatMap((one) => placesOf.get(one) ?? []))]);
      } else light([], []);
    };
    exam.addEventListener("pointerover", point);
    exam.addEventListener("focusin", point);
    exam.addEventListener("pointerleave", () => light([], []));
    for (const box of exam.querySelectorAll(".all-boxes")) {
      box.addEventListener("change", () => box.closest("figure").classList.toggle("show-boxes", box.checked));
    }
  }
  root.querySelector(".reading")?.addEventListener("change", ({ target }) => {
    for (const part of root.querySelectorAll("[data-reading]")) {
      part.toggleAttribute("hidden", part.dataset.reading !== target.value);
    }
  });
});
