// The viewer's controls: exams, windows, overlays, masks of every run, linked places, keys.
"use strict";

Tumorboard.pane("viewer", (root, data) => {
  const find = (selector) => root.querySelector(selector);
  const all = (selector) => [...root.querySelectorAll(selector)];
  const { element } = Tumorboard;
  const opener = find(".open-viewer");
  const open = new Map(); // "a" or "b" -> viewer
  const state = { a: 0, b: null, preset: "soft tissue" };
  const source = (exam, layer) =>
    Tumorboard.need(`${exam.key}/v${layer.index}`, `${exam.folder}/${layer.file}`);

  if (!Viewer.supported()) {
    opener.replaceWith(element("p", { className: "quiet", textContent: "This browser has no WebGL 2: the pictures below are all there is." }));
    return;
  }

  const preset = find(".preset");
  for (const name of Object.keys(data.presets)) preset?.append(element("option", { textContent: name, value: name }));

  const tell = (side, mm, values) => {
    const exam = data.exams[state[side]];
    const said = (values ?? [])
      .map((one, i) => [[...open.get(side).images.keys()][i], one.value])
      .filter(([layer]) => layer && layer.kind !== "mask" && open.get(side).images.get(layer).opacity > 0)
      .map(([layer, value]) => `${layer.title} ${Number(value).toPrecision(3)} ${layer.unit === "SUVbw" ? "SUV" : layer.unit}`);
    const place = `x ${mm[0].toFixed(0)}, y ${mm[1].toFixed(0)}, z ${mm[2].toFixed(0)} mm. ${said.join("; ")}`;
    const beside = open.has("a") && open.has("b");
    find(`.caption-${side}`).textContent = beside ? `${exam.title}: ${place}` : exam.title;
    find(`.canvas-${side}`).dataset.mm = mm.map((at) => at.toFixed(1)).join(" ");
    find(".where-now").hidden = beside;
    if (side === "a" || !beside) find(".where-now").textContent = place;
    Tumorboard.emit("at", { exam: exam.number, mm });
  };

  const strength = (box) => (box.checked ? Number(all(".opacity").find((one) => one.dataset.overlay === box.value).value) : 0);

  const settle = async (side) => {
    const viewer = open.get(side);
    viewer.layout(find(".layout").value);
    viewer.contours(find(".contours").checked);
    for (const box of all(".overlay")) await viewer.opacity(box.value, strength(box));
    for (const box of all(".mask")) await viewer.showRun(box.value, box.checked);
    window_(viewer);
  };
  const window_ = (viewer) => {
    const ct = viewer.exam.layers.find((layer) => layer.kind === "ct");
    if (ct && preset) viewer.range(ct, ...data.presets[preset.value]);
  };

  // Colour bars: what the colours of a layer mean, in its unit.
  const bars = () => {
    const seen = ([layer, image]) => layer.kind !== "mask" && image.opacity > 0;
    find(".bars").replaceChildren(...[...open.get("a")?.images ?? []].filter(seen).map(([layer]) => {
      const [low, high] = layer.kind === "ct" ? data.presets[preset?.value ?? "soft tissue"] : [layer.low, layer.high];
      const unit = layer.unit === "SUVbw" ? "SUV" : layer.unit;
      return element("span", { className: `scale-bar bar-${layer.kind}` },
        element("span", { textContent: `${layer.title} ${Number(low).toPrecision(3) * 1}` }), element("i"),
        element("span", { textContent: `${Number(high).toPrecision(3) * 1} ${unit}` }));
    }));
  };

  // How the two exams are held together.
  const linked = (on) => {
    const shift = open.get("a")?.shift ?? [0, 0, 0];
    find(".linked").hidden = !open.has("b");
    find(".linked").textContent = on || shift.some((by) => by)
      ? `Linked at this lesion: the exam beside is moved by ${shift.map((by) => by.toFixed(0)).join(", ")} mm.`
      : "Linked by the scanner's coordinates.";
  };

  const show = async (side, index, { grid = null } = {}) => {
    open.get(side)?.close();
    open.delete(side);
    const old = find(`.canvas-${side}`);
    const canvas = old.cloneNode(false);
    old.replaceWith(canvas);
    const figure = canvas.closest("figure");
    figure.hidden = index === null;
    state[side] = index;
    if (index === null) return;
    figure.classList.add("loading");
    const viewer = await Viewer.open(canvas, data.exams[index], { runs: data.runs, source, grid });
    open.set(side, viewer);
    viewer.onMove = (mm, values) => tell(side, mm, values);
    canvas.addEventListener("keydown", (event) => keys(event, viewer));
    await settle(side);
    viewer.zoom(Number(find(".zoom").value));
    viewer.refresh();
    figure.classList.remove("loading");
    bars();
    if (open.has("a") && open.has("b")) open.get("a").link(open.get("b"));
    linked(false);
    viewer.goTo(viewer.place);
  };

  const keys = (event, viewer) => {
    const move = { ArrowLeft: [0, 1], ArrowRight: [0, -1], ArrowUp: [1, 1], ArrowDown: [1, -1], PageUp: [2, 1], PageDown: [2, -1] }[event.key];
    if (event.key === "+" || event.key === "-") viewer.zoom(Math.min(8, Math.max(1, viewer.zoomed * (event.key === "+" ? 1.25 : 0.8))));
    if (!move) return;
    event.preventDefault();
    viewer.step(...move);
  };

  let opening = null;
  const start = () => {
    opening ??= (async () => {
      opener.disabled = true;
      opener.textContent = "Reading the volumes";
      for (const part of all(".when-open")) part.hidden = false;
      await show("a", 0);
      opener.hidden = true;
      root.dataset.open = "true";
      Tumorboard.emit("viewer", { root, data, viewer: () => open.get("a"), exam: () => data.exams[state.a], show, state });
    })();
    return opening;
  };
  opener.addEventListener("click", start);

  find(".exam-a").addEventListener("change", ({ target }) => show("a", Number(target.value)));
  find(".exam-b")?.addEventListener("change", ({ target }) => show("b", target.value === "" ? null : Number(target.value)));
  root.addEventListener("change", async ({ target }) => {
    for (const [, viewer] of open) {
      if (target.matches(".layout")) viewer.layout(target.value);
      if (target.matches(".contours")) viewer.contours(target.checked);
      if (target.matches(".mask")) await viewer.showRun(target.value, target.checked);
      if (target.matches(".overlay")) { await viewer.opacity(target.value, strength(target)); bars(); }
      if (target === preset) { window_(viewer); bars(); }
    }
  });
  root.addEventListener("input", ({ target }) => {
    if (target.matches(".zoom")) for (const [, viewer] of open) viewer.zoom(Number(target.value));
    if (!target.matches(".opacity")) return;
    const box = all(".overlay").find((one) => one.value === target.dataset.overlay);
    for (const [, viewer] of open) viewer.opacity(box.value, strength(box));
  });

  // `also`: where the same lesion is in other exams, [exam, mm] each; an exam beside is moved onto it.
  Tumorboard.on("go", async ({ exam, mm, run, also = [] }) => {
    await start();
    const index = data.exams.findIndex((one) => one.number === exam);
    if (index < 0) return;
    if (state.a !== index && state.b !== index) {
      find(".exam-a").value = String(index);
      await show("a", index);
    }
    // First where it is, with what is drawn already; then the run's mask, which may have to be read.
    const [viewer, other] = state.a === index ? [open.get("a"), open.get("b")] : [open.get("b"), open.get("a")];
    const there = also.find(([number]) => other && data.exams[state[other === open.get("a") ? "a" : "b"]].number === number);
    if (other) viewer.link(other, there ? there[1].map((at, axis) => at - mm[axis]) : viewer.shift);
    if (other) linked(Boolean(there));
    viewer.goTo(mm);
    const box = all(".mask").find((one) => one.value === run);
    if (box && !box.checked) box.click();
    root.scrollIntoView({ block: "start", behavior: "smooth" });
  });
});
