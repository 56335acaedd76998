// What every page shares: panes and their data, events between them, the theme, tables that sort and filter.
// Classic scripts, no modules: a page opened from a folder may not import any (docs/adr/0138).
"use strict";

const Tumorboard = (() => {
  const started = [], given = new Map(), wanted = new Map(), hearers = new Map();
  let ready = false;

  const dataOf = (name) => {
    const block = document.getElementById(`${name}-data`);
    return block ? JSON.parse(block.textContent) : null;
  };
  const start = ([name, work]) => {
    for (const root of document.querySelectorAll(`[data-pane="${name}"]`)) work(root, dataOf(name));
  };
  const fail = (error) => { throw error; };
  addEventListener("DOMContentLoaded", () => { ready = true; started.forEach(start); });

  return {
    server: document.documentElement.dataset.mode === "server",
    // pane(name, (root, data) => ...): runs once the page is there, for every pane of that name.
    pane(name, work) { started.push([name, work]); if (ready) start([name, work]); },
    // give(key, value): called by a data file; need(key, src): its value, loading the file when it is not there yet.
    give(key, value) { given.set(key, value); wanted.get(key)?.forEach((use) => use(value)); wanted.delete(key); },
    need(key, src) {
      if (given.has(key)) return Promise.resolve(given.get(key));
      return new Promise((resolve, reject) => {
        const waiting = wanted.get(key);
        if (waiting) { waiting.push(resolve); return; }
        wanted.set(key, [resolve]);
        const script = Object.assign(document.createElement("script"), { src });
        script.addEventListener("error", () => { wanted.delete(key); reject(new Error(`${src} could not be read`)); });
        document.head.append(script);
      });
    },
    forget(key) { given.delete(key); },
    on(event, hear) { hearers.set(event, [...(hearers.get(event) ?? []), hear]); },
    emit(event, value) { for (const hear of hearers.get(event) ?? []) hear(value); },
    element(tag, properties = {}, ...children) {
      const made = Object.assign(document.createElement(tag), properties);
      made.append(...children);
      return made;
    },
    svg(tag, attributes, ...children) {
      const made = document.createElementNS("http://www.w3.org/2000/svg", tag);
      for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
      made.append(...children);
      return made;
    },
    data: dataOf,
    fail,
  };
})();

// The theme: as the system says, until somebody chooses.
(() => {
  const root = document.documentElement;
  let kept = null;
  try { kept = localStorage.getItem("tumorboard-theme"); } catch { /* not allowed from disk: the system decides */ }
  const dark = () => (root.dataset.theme ? root.dataset.theme === "dark" : matchMedia("(prefers-color-scheme: dark)").matches);
  const apply = () => {
    for (const source of document.querySelectorAll("picture source[media*=color-scheme]")) {
      source.media = root.dataset.theme ? (dark() ? "all" : "not all") : "(prefers-color-scheme: dark)";
    }
  };
  if (kept === "dark" || kept === "light") root.dataset.theme = kept;
  addEventListener("DOMContentLoaded", () => {
    apply();
    const button = document.querySelector(".theme");
    if (!button) return;
    const say = () => { button.setAttribute("aria-pressed", String(dark())); };
    button.hidden = false;
    say();
    button.addEventListener("click", () => {
      root.dataset.theme = dark() ? "light" : "dark";
      try { localStorage.setItem("tumorboard-theme", root.dataset.theme); } catch { /* as above */ }
      apply();
      say();
    });
  });
})();

Tumorboard.pane("exams", (root) => {
  for (const viewer of root.querySelectorAll(".exam")) {
    viewer.addEventListener("change", ({ target }) => {
      if (target.type === "radio") {
        for (const part of viewer.querySelectorAll(".planes .kind, .scale .kind")) {
          part.hidden = !part.classList.contains(`kind-${target.value}`);
        }
      }
      if (target.type === "checkbox") {
        for (const outline of viewer.querySelectorAll("svg [data-run]")) {
          if (outline.dataset.run === target.value) outline.toggleAttribute("hidden", !target.checked);
        }
      }
    });
  }
});

// A lesion's name, wherever it stands, leads to the lesion.
document.addEventListener("click", ({ target }) => {
  const go = target.closest?.("button.go");
  if (!go) return;
  const place = (one) => [Number(one.dataset.exam), one.dataset.mm.split(" ").map(Number)];
  const [exam, mm] = place(go);
  // A row that goes to several exams speaks of one lesion.
  const also = [...go.closest("tr")?.querySelectorAll("button.go") ?? []].map(place).filter(([other]) => other !== exam);
  Tumorboard.emit("go", { exam, mm, run: go.dataset.run, also });
});

addEventListener("DOMContentLoaded", () => {
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
});

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
  if (event.target.matches("input, textarea, select, .scroll, canvas") || event.altKey || event.ctrlKey || event.metaKey) return;
  const rel = { ArrowLeft: "prev", ArrowRight: "next" }[event.key];
  const link = rel && document.querySelector(`a[rel=${rel}]`);
  if (link) link.click();
  if (event.key === "v") document.querySelector(".open-viewer:not([hidden])")?.click();
});
