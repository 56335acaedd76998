// One choice of patients for the whole page: counts, survival and the list follow it.
"use strict";

Tumorboard.pane("filters", (root, data) => {
  const { element, svg } = Tumorboard;
  const form = root.querySelector(".filters");
  const shown = root.querySelector(".filtered");
  const n = data.rows.length;
  const PAGE = 100;
  const state = { words: {}, low: "", high: "", text: "", page: 0, sort: null };
  form.hidden = shown.hidden = false;

  const more = element("details", {}, element("summary", { textContent: "More variables" }), element("div", { className: "filters" }));
  const field = (title, control, place = form) => { place.append(element("label", { textContent: title.replaceAll("_", " ") }, control)); return control; };
  const search = field("Name or centre holds", element("input", { type: "search", className: "find" }));
  for (const [name, { levels, codes }] of Object.entries(data.words)) {
    const counts = levels.map((_, i) => codes.filter((code) => code === i).length);
    const list = element("select", { name }, element("option", { value: "", textContent: "all" }),
      ...levels.map((word, i) => element("option", { value: String(i), textContent: `${word} (${counts[i]})` })));
    if (codes.includes(null)) list.append(element("option", { value: "-1", textContent: `not known (${codes.filter((code) => code === null).length})` }));
    list.dataset.word = name;
    field(name, list, data.first.includes(name) ? form : more.lastChild);
  }
  const low = field("Age from", element("input", { type: "number", min: 0, max: 130, className: "low" }));
  const high = field("to", element("input", { type: "number", min: 0, max: 130, className: "high" }));
  if (data.age.every((age) => age === null)) low.parentElement.hidden = high.parentElement.hidden = true;
  const clear = element("button", { type: "button", textContent: "Clear" });
  form.append(clear);
  if (more.lastChild.children.length) form.append(more);

  const passes = (i) =>
    Object.entries(state.words).every(([name, code]) => (data.words[name].codes[i] ?? -1) === code) &&
    (state.low === "" || (data.age[i] ?? -1) >= Number(state.low)) &&
    (state.high === "" || (data.age[i] ?? 999) <= Number(state.high)) &&
    (!state.text || `${data.rows[i][1]} ${data.words.centre ? data.words.centre.levels[data.words.centre.codes[i]] ?? "" : ""}`.toLowerCase().includes(state.text));

  const countFigure = (name, members) => {
    const { levels, codes } = data.words[name];
    const inside = new Set(members);
    const all = levels.map((_, level) => codes.filter((code) => code === level).length);
    const chosen = levels.map((_, level) => codes.filter((code, i) => code === level && inside.has(i)).length);
    const most = Math.max(1, ...all);
    return element("figure", { className: "plot" }, element("h3", { textContent: `By ${name}` }),
      svg("svg", { viewBox: `0 0 400 ${20 * levels.length + 4}`, role: "img", "aria-label": levels.map((word, i) => `${word}: ${chosen[i]} of ${all[i]}`).join(", ") },
        ...levels.flatMap((word, i) => [
          svg("text", { x: 130, y: 20 * i + 15, "text-anchor": "end" }, word.length > 22 ? `${word.slice(0, 21)}…` : word),
          svg("rect", { class: "count-rest", x: 136, y: 20 * i + 4, height: 13, width: 200 * all[i] / most }),
          svg("rect", { class: "count-bar", x: 136, y: 20 * i + 4, height: 13, width: 200 * chosen[i] / most }),
          svg("text", { x: 342, y: 20 * i + 15 }, `${chosen[i]} of ${all[i]}`)])));
  };

  // ---- the list of patients: ours as soon as somebody chooses or turns a page
  const table = document.querySelector("table.patients");
  const body = table?.tBodies[0];
  const dash = (value, digits = 3) => (value === null || value === undefined ? "–" : Number(Number(value).toPrecision(digits)).toString());
  const listed = (i) => {
    const [link, name, picture, exams, lesions, volume, suv, found] = data.rows[i];
    const word = (column) => (data.words[column] ? data.words[column].levels[data.words[column].codes[i]] ?? "–" : "–");
    const thumb = element("td", { className: "thumb" });
    if (picture) thumb.append(element("img", { src: picture, alt: "", loading: "lazy", width: 64, height: 64 }));
    const cell = (text, number = true) => element("td", { className: number ? "num" : "", textContent: text });
    const marks = element("td");
    ["error", "warning", "info"].forEach((severity, k) => { if (found[k]) marks.append(element("span", { className: `severity ${severity}`, textContent: `${found[k]} ${severity}` }), " "); });
    const head = element("th", { scope: "row" }, element("a", { href: link, textContent: name }));
    const constant = (column, at) => (data.words[column] ? word(column) : body.dataset[at] ?? "–");
    return element("tr", {}, thumb, head, cell(constant("centre", "centre"), false), cell(constant("sex", "sex"), false), cell(dash(data.age[i])), cell(exams), cell(dash(lesions)), cell(lesions ? dash(volume) : "–"), cell(dash(suv)), marks);
  };
  if (body?.rows.length) { body.dataset.centre = body.rows[0].cells[2].textContent; body.dataset.sex = body.rows[0].cells[3].textContent; }
  const pager = element("nav", { className: "pager" });
  pager.setAttribute("aria-label", "Pages of the chosen patients");
  const list = (members) => {
    if (!body) return;
    const pages = Math.max(1, Math.ceil(members.length / PAGE));
    state.page = Math.min(state.page, pages - 1);
    body.replaceChildren(...members.slice(state.page * PAGE, (state.page + 1) * PAGE).map(listed));
    document.querySelector("#patients nav.pager:not(.ours)")?.remove();
    pager.classList.add("ours");
    const turn = (title, to) => { const made = element("button", { type: "button", textContent: title, disabled: to < 0 || to >= pages }); made.addEventListener("click", () => { state.page = to; list(members); }); return made; };
    pager.replaceChildren(turn("Previous", state.page - 1), element("span", { textContent: `page ${state.page + 1} of ${pages}` }), turn("Next", state.page + 1));
    if (pages > 1) table.after(pager); else pager.remove();
  };

  const act = () => {
    const members = [];
    for (let i = 0; i < n; i++) if (passes(i)) members.push(i);
    root.querySelector(".chosen").textContent = members.length === n ? `All ${n} patients.` : `${members.length} of ${n} patients.`;
    const countable = ["centre", "sex"].filter((name) => data.words[name]);
    shown.replaceChildren(...countable.map((name) => countFigure(name, members)));
    document.documentElement.classList.toggle("some-chosen", members.length < n);
    list(members);
    Tumorboard.emit("members", members);
    Tumorboard.emit("chosen", new Set(members.map((i) => data.rows[i][1])));
    root.dataset.n = members.length;
  };
  let waiting = 0;
  form.addEventListener("input", ({ target }) => {
    if (target.dataset.word) { if (target.value === "") delete state.words[target.dataset.word]; else state.words[target.dataset.word] = Number(target.value); }
    [state.text, state.low, state.high, state.page] = [search.value.trim().toLowerCase(), low.value, high.value, 0];
    clearTimeout(waiting);
    waiting = setTimeout(act, target.tagName === "SELECT" ? 0 : 120);
  });
  clear.addEventListener("click", () => { form.reset(); state.words = {}; [state.text, state.low, state.high, state.page] = ["", "", "", 0]; act(); });
  form.addEventListener("submit", (event) => event.preventDefault());
  act();
});
