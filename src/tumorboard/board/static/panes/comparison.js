// One point per patient: the first run across, the second up. Follows the choice of patients.
"use strict";

Tumorboard.pane("comparison", (root, data) => {
  const { element } = Tumorboard;
  const [metric, first, second] = ["metric", "first", "second"].map((name) => root.querySelector(`.${name}`));
  let chosen = null;
  const options = (list, names, keep) => { list.replaceChildren(...names.map((name) => element("option", { value: name, textContent: name }))); if (names.includes(keep)) list.value = keep; };
  const svg = (tag, attributes, text) => { const made = document.createElementNS("http://www.w3.org/2000/svg", tag); for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value); if (text) made.textContent = text; return made; };
  options(metric, Object.keys(data.metrics));
  const runs = () => {
    const names = Object.keys(data.metrics[metric.value].runs);
    options(first, names, first.value);
    options(second, names, second.value);
    if (first.value === second.value) second.value = names.find((name) => name !== first.value);
  };
  const draw = () => {
    const { runs: all, better } = data.metrics[metric.value];
    const [mine, theirs] = [all[first.value], all[second.value]];
    const patients = Object.keys(mine).filter((name) => name in theirs && (!chosen || chosen.has(name)));
    const values = patients.flatMap((name) => [mine[name], theirs[name]]);
    const low = Math.min(0, ...values), high = Math.max(1e-9, ...values) * 1.03;
    const x = (v) => 34 + 276 * (v - low) / (high - low), y = (v) => 296 - 276 * (v - low) / (high - low);
    const figure = root.querySelector(".scatter");
    figure.setAttribute("aria-label", `${metric.value} of ${patients.length} patients: ${first.value} across, ${second.value} up`);
    figure.replaceChildren(
      svg("path", { class: "even", d: `M${x(low)} ${y(low)}L${x(high)} ${y(high)}` }),
      svg("path", { class: "axis", d: `M34 20V296H310`, fill: "none" }),
      svg("text", { x: 310, y: 314, "text-anchor": "end" }, first.value), svg("text", { x: 34, y: 14 }, second.value),
      ...patients.map((name) => { const dot = svg("circle", { class: "pair", r: 4, cx: x(mine[name]).toFixed(1), cy: y(theirs[name]).toFixed(1) }); dot.append(svg("title", {}, `${name}: ${mine[name].toPrecision(3)}, ${theirs[name].toPrecision(3)}`)); return dot; }));
    const differences = patients.map((name) => [name, theirs[name] - mine[name]]).sort((a, b) => Math.abs(b[1]) - Math.abs(a[1]));
    const sign = { higher: 1, lower: -1 }[better] ?? 0;
    const wins = differences.filter(([, d]) => d * sign > 0).length, losses = differences.filter(([, d]) => d * sign < 0).length;
    const mean = differences.reduce((sum, [, d]) => sum + d, 0) / Math.max(1, differences.length);
    root.querySelector(".verdict-line").textContent = `${patients.length} patients with both. Mean difference ${mean.toPrecision(3)}.` + (sign ? ` ${second.value} is better in ${wins}, worse in ${losses}.` : "");
    root.querySelector(".first-name").textContent = first.value;
    root.querySelector(".second-name").textContent = second.value;
    root.querySelector("tbody").replaceChildren(...differences.slice(0, 10).map(([name, d]) => element("tr", {},
      element("th", { scope: "row" }, element("a", { href: `patients/${data.pages[name]}.html`, textContent: name })),
      ...[mine[name], theirs[name], d].map((value) => element("td", { className: "num", textContent: value.toPrecision(3) })))));
  };
  metric.addEventListener("change", () => { runs(); draw(); });
  for (const list of [first, second]) list.addEventListener("change", draw);
  Tumorboard.on("chosen", (names) => { chosen = names; draw(); });
  runs();
  draw();
});
