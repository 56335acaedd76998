// Survival of the chosen patients, together or in groups, in place of the drawn curves of all of them.
"use strict";

Tumorboard.pane("outcomes", (root) => {
  const data = Tumorboard.data("filters");
  if (!data || !Object.keys(data.survival).length) return;
  const { element, svg } = Tumorboard;
  const [LEFT, RIGHT, TOP, FLOOR] = [66, 470, 10, 190];
  const DAYS = 365.25, MOST_GROUPS = 6;
  let members = data.rows.map((_, i) => i);

  const list = element("select", { className: "by" }, element("option", { value: "", textContent: "all together" }),
    ...Object.keys(data.words).filter((name) => data.words[name].levels.length > 1 && !(name in data.survival)).map((name) => element("option", { value: name, textContent: name })));
  const controls = element("p", { className: "controls" }, element("label", { textContent: "Curves by " }, list));
  const holder = element("div", { className: "plots curves" });
  root.querySelector(".plots").before(controls, holder);
  for (const drawn of root.querySelectorAll("figure.of-outcomes")) drawn.remove();

  const groupsOf = (name) => {
    if (!list.value) return [["", members.map((i) => data.survival[name][i]).filter(Boolean)]];
    const { levels, codes } = data.words[list.value];
    return levels.slice(0, MOST_GROUPS).map((word, level) => [word, members.filter((i) => codes[i] === level).map((i) => data.survival[name][i]).filter(Boolean)]).filter(([, pairs]) => pairs.length);
  };

  const figure = (name) => {
    const groups = groupsOf(name);
    const everybody = groups.flatMap(([, pairs]) => pairs);
    const made = element("figure", { className: "plot" });
    const events = (pairs) => pairs.filter((pair) => pair[1]).length;
    made.append(element("figcaption", { textContent: `${name}: events in ${events(everybody)} of ${everybody.length} patients` }));
    if (everybody.length < 2) { made.append(element("p", { className: "quiet", textContent: "Too few patients for a curve." })); return made; }
    const most = Math.max(...data.survival[name].filter(Boolean).map((pair) => pair[0]));
    const x = (days) => LEFT + (RIGHT - LEFT) * days / most, y = (share) => FLOOR - (FLOOR - TOP) * share;
    const step = [0.25, 0.5, 1, 2, 5, 10].find((years) => most / DAYS / years <= 6) ?? 20;
    const ticks = Array.from({ length: Math.floor(most / DAYS / step) + 1 }, (_, i) => i * step);
    const parts = [0, 0.25, 0.5, 0.75, 1].flatMap((share) => [svg("path", { class: "axis", d: `M${LEFT} ${y(share)}H${RIGHT}` }), svg("text", { x: LEFT - 6, y: y(share) + 4, "text-anchor": "end" }, String(share))]);
    parts.push(...ticks.map((tick) => svg("text", { x: x(tick * DAYS), y: FLOOR + 16, "text-anchor": "middle" }, String(tick))));
    parts.push(svg("text", { x: RIGHT, y: FLOOR + 31, "text-anchor": "end" }, "years"), svg("text", { x: 12, y: (TOP + FLOOR) / 2, "text-anchor": "middle", transform: `rotate(-90 12 ${(TOP + FLOOR) / 2})` }, "probability"));
    const medians = [];
    groups.forEach(([word, pairs], k) => {
      const steps = Statistics.kaplanMeier(pairs);
      const stairs = (column) => steps.map((s, i) => (i ? `H${x(s[0]).toFixed(1)}V${y(s[column]).toFixed(1)}` : `M${x(0)} ${y(1)}`)).join("");
      const back = steps.map((_, i) => steps.length - 1 - i).slice(0, -1).map((i) => `H${x(steps[i][0]).toFixed(1)}V${y(steps[i - 1][2]).toFixed(1)}`).join("");
      const look = list.value ? `line-${k} dash-${k}` : "";
      parts.push(svg("path", { class: `km-band ${look}`, d: `${stairs(3)}V${y(steps.at(-1)[2]).toFixed(1)}${back}Z` }), svg("path", { class: `km-line ${look}`, d: stairs(1) }));
      const ends = pairs.filter((pair) => !pair[1]).map(([days]) => `M${x(days).toFixed(1)} ${(y(Statistics.aliveAt(steps, days)[1]) - 4).toFixed(1)}v8`).join("");
      if (ends) parts.push(svg("path", { class: "km-ends", d: ends }));
      const half = steps.find((s) => s[1] <= 0.5);
      medians.push(`${word ? `${word}: m` : "M"}edian ${half ? `${(half[0] / DAYS).toFixed(1)} years` : "not reached"}`);
      const line = FLOOR + 48 + 15 * k;
      parts.push(svg("text", { x: LEFT - 14, y: line, "text-anchor": "end", class: "risk-name" }, word ? (word.length > 9 ? `${word.slice(0, 8)}…` : word) : "at risk"));
      parts.push(...ticks.map((tick) => svg("text", { x: x(tick * DAYS), y: line, "text-anchor": "middle" }, String(pairs.filter((pair) => pair[0] >= tick * DAYS).length))));
    });
    const height = FLOOR + 56 + 15 * (groups.length - 1);
    made.append(svg("svg", { viewBox: `0 0 480 ${height}`, role: "img", "aria-label": `Kaplan-Meier curve of ${name}, ${everybody.length} patients, ${medians.join(", ")}` }, ...parts));
    if (list.value) {
      made.append(element("p", { className: "key-line" }, ...groups.map(([word, pairs], k) => element("span", {}, svg("svg", { class: "swatch", viewBox: "0 0 28 8", "aria-hidden": "true" }, svg("path", { class: `km-line line-${k} dash-${k}`, d: "M1 4h26" })), ` ${word} (${events(pairs)} of ${pairs.length})`))));
      const test = groups.length > 1 ? Statistics.logRank(groups.map(([, pairs]) => pairs)) : null;
      const left = data.words[list.value].levels.length - MOST_GROUPS;
      made.append(element("p", { className: "quiet", textContent: `${medians.join("; ")}. ${test ? `Log-rank p ${test.p < 0.001 ? "< 0.001" : `= ${test.p.toPrecision(2)}`}, not corrected for how many were looked at.` : ""}${left > 0 ? ` ${left} rarer values are left out.` : ""}` }));
    } else made.append(element("p", { className: "quiet", textContent: `${medians[0]}. Band: 95 %; small strokes: last seen without the event; below: patients at risk.` }));
    return made;
  };
  const draw = () => holder.replaceChildren(...Object.keys(data.survival).map(figure));
  list.addEventListener("change", draw);
  Tumorboard.on("members", (chosen) => { members = chosen; draw(); });
  draw();
});
