// One choice of patients for the whole page: counts, survival and the list follow it.
"use strict";

Tumorboard.pane("filters", (root, data) => {
  const { element } = Tumorboard;
  const form = root.querySelector(".filters");
  const shown = root.querySelector(".filtered");
  const n = data.rows.length;
  const PAGE = 100;
  const state = { words: {}, low: "", high: "", text: "", page: 0, sort: null };
  form.hidden = shown.hidden = false;

  const more = element("details", {}, element("summary", { textContent: "More variables" }), element("div", { className: "filters" }));
  const field = (title, control, place = form) => { place.append(element("label", { textContent: title }, control)); return control; };
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
  const clear = element("button", { type: "button", textContent: "Clear" });
  form.append(clear);
  if (more.lastChild.children.length) form.append(more);

  const passes = (i) =>
    Object.entries(state.words).every(([name, code]) => (data.words[name].codes[i] ?? -1) === code) &&
    (state.low === "" || (data.age[i] ?? -1) >= Number(state.low)) &&
    (state.high === "" || (data.age[i] ?? 999) <= Number(state.high)) &&
    (!state.text || `${data.rows[i][1]} ${data.words.centre ? data.words.centre.levels[data.words.centre.codes[i]] ?? "" : ""}`.toLowerCase().includes(state.text));

  const svg = (tag, attributes, ...children) => {
    const made = document.createElementNS("http://www.w3.org/2000/svg", tag);
    for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
    made.append(...children);
    return made;
  };

  // Kaplan-Meier with the log-log (exponential Greenwood) band, as the drawn plots have it.
  const kaplanMeier = (pairs) => {
    const sorted = [...pairs].sort((a, b) => a[0] - b[0]);
    const steps = [[0, 1, 1, 1]];
    let at = sorted.length, alive = 1, sum = 0;
    for (let i = 0; i < sorted.length;) {
      const time = sorted[i][0];
      let events = 0, leave = 0;
      for (; i < sorted.length && sorted[i][0] === time; i++) { leave++; events += sorted[i][1]; }
      if (events) {
        alive *= 1 - events / at;
        sum += at > events ? events / (at * (at - events)) : 0;
        const spread = alive > 0 && alive < 1 ? 1.959964 * Math.sqrt(sum) / Math.log(alive) : 0;
        steps.push([time, alive, alive > 0 ? alive ** Math.exp(-spread) : 0, alive > 0 ? alive ** Math.exp(spread) : 0]);
      }
      at -= leave;
    }
    steps.push([sorted.at(-1)?.[0] ?? 1, ...steps.at(-1).slice(1)]);
    return steps;
  };
  Tumorboard.kaplanMeier = kaplanMeier;

  const survivalFigure = (name, members) => {
    const pairs = members.map((i) => data.survival[name][i]).filter(Boolean);
    const holder = element("figure", { className: "plot" }, element("h3", { textContent: `${name}: events in ${pairs.filter((p) => p[1]).length} of ${pairs.length}` }));
    if (pairs.length < 2) return holder;
    const steps = kaplanMeier(pairs);
    const most = Math.max(...data.survival[name].filter(Boolean).map((p) => p[0]));
    const x = (time) => 40 + 340 * time / most, y = (share) => 10 + 170 * (1 - share);
    const stairs = (column) => steps.map((s, i) => (i ? `H${x(s[0]).toFixed(1)}V${y(s[column]).toFixed(1)}` : `M${x(0)} ${y(1)}`)).join("");
    const back = steps.map((_, i) => steps.length - 1 - i).slice(0, -1).map((i) => `H${x(steps[i][0]).toFixed(1)}V${y(steps[i - 1][2]).toFixed(1)}`).join("");
    const years = Math.max(1, Math.round(most / 365.25 / 5));
    const ticks = Array.from({ length: Math.floor(most / 365.25 / years) + 1 }, (_, i) => i * years);
    const median = steps.find((s) => s[1] <= 0.5);
    holder.append(svg("svg", { viewBox: "0 0 400 215", role: "img", "aria-label": `Kaplan-Meier curve of ${name}, ${pairs.length} patients${median ? `, median ${(median[0] / 365.25).toFixed(1)} years` : ", median not reached"}` },
      ...[0, 0.5, 1].flatMap((share) => [svg("path", { class: "axis", d: `M40 ${y(share)}H380` }), svg("text", { x: 34, y: y(share) + 4, "text-anchor": "end" }, String(share))]),
      ...ticks.map((tick) => svg("text", { x: x(tick * 365.25), y: 196, "text-anchor": "middle" }, String(tick))),
      svg("text", { x: 380, y: 211, "text-anchor": "end" }, "years"),
      svg("path", { class: "km-band", d: `${stairs(3)}V${y(steps.at(-1)[2]).toFixed(1)}${back}Z` }), svg("path", { class: "km-line", d: stairs(1) })));
    return holder;
  };

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
    shown.replaceChildren(...countable.map((name) => countFigure(name, members)), ...Object.keys(data.survival).map((name) => survivalFigure(name, members)));
    list(members);
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
