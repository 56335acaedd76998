// How good each run is on the patients that were chosen: ranks of risk, calibration, classes, means of scores.
"use strict";

Tumorboard.pane("models", (root, data) => {
  const { element, svg } = Tumorboard;
  const survival = Tumorboard.data("filters")?.survival ?? {};
  const everybody = Tumorboard.data("filters")?.rows.length ?? 0;
  const holder = root.querySelector(".models");
  const picked = new Map(); // endpoint -> run whose figure is drawn
  let members = Array.from({ length: everybody }, (_, i) => i);

  const digits = (value, n = 3) => (value === null || value === undefined || Number.isNaN(value) ? "undefined" : Number(value).toFixed(n));
  const cell = (text, className = "num") => element("td", { className, textContent: text });
  const name = (run) => element("th", { scope: "row" }, run, ...(data.baselines.includes(run) ? [" ", element("span", { className: "tag", textContent: "baseline" })] : []));
  const table = (title, heads, rows) => element("table", {},
    element("caption", { textContent: title }),
    element("thead", {}, element("tr", {}, ...heads.map((head, i) => { const made = element("th", { scope: "col", textContent: head, className: i ? "num" : "" }); return made; }))),
    element("tbody", {}, ...rows));
  const best = (rows, sign) => rows.sort((a, b) => (b.value === null ? -Infinity : sign * b.value) - (a.value === null ? -Infinity : sign * a.value));

  // Foretold against seen, in up to five groups of equal size by the foretold probability.
  const calibration = (endpoint, run) => {
    const { days, runs } = data.risks[endpoint];
    const known = members.filter((i) => runs[run].alive[i] !== null && survival[endpoint]?.[i]);
    const groups = Math.min(5, Math.floor(known.length / 10));
    if (groups < 2) return element("p", { className: "quiet", textContent: `Calibration needs 20 patients, here are ${known.length}.` });
    known.sort((a, b) => runs[run].alive[a] - runs[run].alive[b]);
    const x = (share) => 44 + 250 * share, y = (share) => 266 - 250 * share;
    const parts = [0, 0.25, 0.5, 0.75, 1].flatMap((share) => [svg("path", { class: "axis", d: `M44 ${y(share)}H294` }), svg("text", { x: 38, y: y(share) + 4, "text-anchor": "end" }, String(share)), svg("text", { x: x(share), y: 282, "text-anchor": "middle" }, String(share))]);
    parts.push(svg("path", { class: "even", d: `M${x(0)} ${y(0)}L${x(1)} ${y(1)}` }), svg("text", { x: 294, y: 297, "text-anchor": "end" }, "foretold"), svg("text", { x: 10, y: 141, "text-anchor": "middle", transform: "rotate(-90 10 141)" }, "seen (Kaplan-Meier, 95 %)"));
    for (let g = 0; g < groups; g++) {
      const mine = known.slice(Math.round(g * known.length / groups), Math.round((g + 1) * known.length / groups));
      const foretold = mine.reduce((sum, i) => sum + runs[run].alive[i], 0) / mine.length;
      const [, seen, low, high] = Statistics.aliveAt(Statistics.kaplanMeier(mine.map((i) => survival[endpoint][i])), days);
      const dot = svg("circle", { class: "pair", r: 4, cx: x(foretold).toFixed(1), cy: y(seen).toFixed(1) });
      dot.append(svg("title", {}, `${mine.length} patients: foretold ${digits(foretold, 2)}, seen ${digits(seen, 2)}`));
      parts.push(svg("path", { class: "range-line", d: `M${x(foretold).toFixed(1)} ${y(low).toFixed(1)}V${y(high).toFixed(1)}` }), dot);
    }
    return svg("svg", { class: "calibration", viewBox: "0 0 306 302", role: "img", "aria-label": `Calibration of ${run}: probability to be free of ${endpoint} at ${digits(days / 365.25, 1)} years, foretold across and seen up, in ${groups} groups of ${known.length} patients` }, ...parts);
  };

  const confusion = (endpoint, run) => {
    const { names, truth, runs } = data.classes[endpoint];
    const known = members.filter((i) => runs[run][i] !== null && truth[i] !== null);
    const count = (is, said) => known.filter((i) => truth[i] === is && Number(runs[run][i] >= 0.5) === said).length;
    return element("table", { className: "confusion" }, element("caption", { textContent: `${run}: ${known.length} patients` }),
      element("thead", {}, element("tr", {}, element("td"), ...names.map((one) => element("th", { scope: "col", className: "num", textContent: `told ${one}` })))),
      element("tbody", {}, ...names.map((one, is) => element("tr", {}, element("th", { scope: "row", textContent: `is ${one}` }), ...names.map((_, said) => cell(String(count(is, said)), `num ${is === said ? "share share-4" : ""}`))))));
  };

  const part = (title, heads, rows, runs, draw, key) => {
    const chosen = runs.includes(picked.get(key)) ? picked.get(key) : runs.find((run) => !data.baselines.includes(run)) ?? runs[0];
    const list = element("select", {}, ...runs.map((run) => element("option", { value: run, textContent: run })));
    list.value = chosen;
    const figure = element("div", {}, draw(chosen));
    list.addEventListener("change", () => { picked.set(key, list.value); figure.replaceChildren(draw(list.value)); });
    return element("div", { className: "columns uneven" }, element("div", {}, table(title, heads, rows)), element("div", {}, element("p", { className: "controls" }, element("label", { textContent: "Figure of " }, list)), figure));
  };

  const draw = () => {
    root.querySelector(".for-whom").textContent = members.length === everybody ? `all ${everybody}.` : `${members.length} of ${everybody}.`;
    const made = [];
    for (const [endpoint, { days, runs }] of Object.entries(data.risks)) {
      const rows = best(Object.entries(runs).map(([run, { score, alive }]) => {
        const known = members.filter((i) => score[i] !== null && survival[endpoint]?.[i]);
        const pairs = known.map((i) => survival[endpoint][i]);
        const foretold = known.length ? known.reduce((sum, i) => sum + alive[i], 0) / known.length : null;
        const seen = known.length > 1 ? Statistics.aliveAt(Statistics.kaplanMeier(pairs), days)[1] : null;
        return { run, value: Statistics.concordance(pairs, known.map((i) => score[i])), n: known.length, events: pairs.filter((pair) => pair[1]).length, foretold, seen };
      }), 1);
      const years = digits(days / 365.25, days < 365 ? 1 : 0);
      made.push(element("h3", { textContent: endpoint }), part(`Order of risks, and the share free of the event at ${years} years`, ["Run", "C-index", "foretold", "seen", "events / n"],
        rows.map((row) => element("tr", { className: data.baselines.includes(row.run) ? "baseline" : "" }, name(row.run), cell(digits(row.value)), cell(row.foretold === null ? "–" : digits(row.foretold, 2)), cell(row.seen === null ? "–" : digits(row.seen, 2)), cell(`${row.events} / ${row.n}`))),
        rows.map((row) => row.run), (run) => calibration(endpoint, run), `risk ${endpoint}`));
    }
    for (const [endpoint, { names, truth, runs }] of Object.entries(data.classes)) {
      const rows = best(Object.entries(runs).map(([run, shares]) => {
        const known = members.filter((i) => shares[i] !== null && truth[i] !== null);
        const [yes, no] = [1, 0].map((is) => known.filter((i) => truth[i] === is).map((i) => shares[i]));
        return { run, value: Statistics.area(yes, no), n: known.length, yes: yes.length };
      }), 1);
      made.push(element("h3", { textContent: endpoint }), part(`Order of the probabilities of ${names[1]}`, ["Run", "AUC", `${names[1]} / n`],
        rows.map((row) => element("tr", { className: data.baselines.includes(row.run) ? "baseline" : "" }, name(row.run), cell(digits(row.value)), cell(`${row.yes} / ${row.n}`))),
        rows.map((row) => row.run), (run) => confusion(endpoint, run), `class ${endpoint}`));
    }
    const metrics = Object.entries(data.scores).map(([metric, { better, runs }]) => {
      const rows = best(Object.entries(runs).map(([run, values]) => {
        const known = members.map((i) => values[i]).filter((value) => value !== null);
        return { run, value: known.length ? Statistics.mean(known).middle : null, of: Statistics.mean(known) };
      }), better === "lower" ? -1 : 1);
      return table(`Mean ${metric}${better === "none" ? "" : `, ${better} is better`}`, ["Run", "mean", "95 %", "n"],
        rows.map((row) => element("tr", { className: data.baselines.includes(row.run) ? "baseline" : "" }, name(row.run), cell(row.value === null ? "–" : digits(row.value)), cell(row.of.low === null ? "–" : `${digits(row.of.low)} to ${digits(row.of.high)}`, "num nowrap"), cell(String(row.of.n)))));
    });
    if (metrics.length) {
      const open = holder.querySelector("details")?.open ?? false;
      made.push(element("h3", { textContent: "Scores of single patients" }), element("div", { className: "columns" }, ...metrics.slice(0, 2)));
      if (metrics.length > 2) made.push(element("details", { open }, element("summary", { textContent: `${metrics.length - 2} more metrics` }), element("div", { className: "columns" }, ...metrics.slice(2))));
    }
    holder.replaceChildren(...made);
  };
  Tumorboard.on("members", (chosen) => { members = chosen; draw(); });
  draw();
});
