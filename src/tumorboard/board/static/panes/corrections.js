// Accept, reject, edit; draw a mask; two readers' agreement. Everything goes to the journal of the server.
"use strict";

Tumorboard.pane("corrections", (root, data) => {
  const { element } = Tumorboard;
  const author = root.querySelector(".author");
  const status = root.querySelector(".said-now");
  const finish = root.querySelector(".finish");
  let secret = "", entries = [];
  try { author.value = localStorage.getItem("tumorboard-reader") ?? ""; } catch { /* no memory: type it again */ }
  author.addEventListener("change", () => { try { localStorage.setItem("tumorboard-reader", author.value.trim()); } catch { /* as above */ } mark(); });
  root.querySelector("form").addEventListener("submit", (event) => event.preventDefault());

  const nonce = () => crypto.randomUUID?.() ?? `${Date.now()}-${Math.random().toString(36).slice(2, 12)}`;
  const send = async (address, body, type = "application/json") => {
    const answer = await fetch(address, { method: "POST", body, headers: { "content-type": type, "x-tumorboard": secret } });
    const said = await answer.json().catch(() => ({}));
    if (!answer.ok) throw new Error(`${said.code ?? answer.status}: ${said.title ?? ""} found ${said.found ?? "?"}, expected ${said.expected ?? "?"}`);
    return said;
  };
  const named = () => {
    const name = author.value.trim();
    if (!name) { status.textContent = "Say first who reads: the name stands under Corrections."; author.focus(); }
    return name;
  };
  const say = async (exam, run, target, kind, payload = {}) => {
    const name = named();
    if (!name) return;
    try {
      await send("../api/corrections", JSON.stringify({ author: name, nonce: nonce(), page: data.page, exam, run, kind, target, payload }));
      await load();
      status.textContent = `Written down: ${kind}.`;
    } catch (error) { status.textContent = `Not written down. ${error.message}`; }
  };

  // ---- verdicts beside every lesion, finding and statement
  const judged = new Map(); // "exam|run|target" -> the buttons' holder
  const buttons = (holder, exam, run, target, edit) => {
    const make = (kind, sign, title, work) => {
      const made = element("button", { type: "button", className: `verdict ${kind}`, textContent: sign, title });
      made.setAttribute("aria-label", title);
      made.addEventListener("click", work ?? (() => say(exam, run, target, holder.dataset.now === kind ? "undo" : kind)));
      return made;
    };
    holder.append(make("accept", "✓", "accept"), make("reject", "✗", "reject"), ...(edit ? [make("edit", "✎", "edit", edit)] : []));
    holder.classList.add("judge");
    judged.set(`${exam}|${run}|${target}`, holder);
  };
  const ask = (holder, question, value, use) => {
    const field = element("input", { type: "text", value, maxLength: 300 });
    field.setAttribute("aria-label", question);
    const form = element("form", { className: "ask" }, field, element("button", { type: "submit", textContent: "keep" }));
    form.addEventListener("submit", (event) => { event.preventDefault(); form.remove(); if (field.value.trim()) use(field.value.trim()); });
    form.addEventListener("keydown", (event) => { if (event.key === "Escape") form.remove(); });
    holder.append(form);
    field.focus();
  };
  for (const row of document.querySelectorAll("tr[data-lesion]")) {
    const [exam, run, label] = row.dataset.lesion.split("|");
    const go = row.querySelector(".go");
    if (!go) continue;
    const holder = element("span");
    row.cells[1].append(" ", holder);
    const target = `lesion|${label}|${go.dataset.mm}`;
    buttons(holder, Number(exam), run, target, () => ask(holder, "Label", label, (text) => say(Number(exam), run, target, "edit", { label: text })));
  }
  for (const row of document.querySelectorAll("tr[data-target]")) {
    const { target, run, places, label } = row.dataset;
    const exam = Number(row.dataset.exam);
    const holder = row.querySelector(".judge");
    const edit = places === undefined
      ? () => ask(holder, "Label", label, (text) => say(exam, run, target, "edit", { label: text }))
      : () => ask(holder, "Locations, separated by commas", places.split("|").join(", "),
        (text) => say(exam, run, target, "edit", { locations: text.split(",").map((one) => one.trim()).filter(Boolean) }));
    buttons(holder, exam, run, target, edit);
    if (row.dataset.points) axes(holder, row, exam, run, target);
  }

  // ---- the ends of a lesion's axes, on its slice seen from the feet: the patient's right at the left, front above
  function axes(holder, row, exam, run, target) {
    const field = Number(row.dataset.field);
    const numbers = row.dataset.points.split(" ").map(Number);
    const ends = [0, 1, 2, 3].map((i) => numbers.slice(3 * i, 3 * i + 3));
    const middle = [0, 1, 2].map((axis) => ends.reduce((sum, end) => sum + end[axis], 0) / 4);
    const toPicture = ([x, y]) => [middle[0] + field / 2 - x, middle[1] + field / 2 - y];
    const toPatient = ([across, down], z) => [middle[0] + field / 2 - across, middle[1] + field / 2 - down, z];
    const open = element("button", { type: "button", className: "verdict move-ends", textContent: "⤢", title: "move the ends of the axes" });
    open.setAttribute("aria-label", open.title);
    holder.append(open);
    open.addEventListener("click", () => {
      if (row.nextElementSibling?.classList.contains("editing")) { row.nextElementSibling.remove(); return; }
      const { svg } = Tumorboard;
      const drawing = svg("svg", { viewBox: `0 0 ${field} ${field}`, "aria-label": "Axes of the lesion" });
      const lines = [svg("path", { class: "long-axis" }), svg("path", { class: "short-axis" })];
      drawing.append(...lines);
      const told = element("p", { className: "lengths" });
      told.setAttribute("role", "status");
      const handles = Handles.on(drawing, ends.map(toPicture), {
        names: ["long axis, first end", "long axis, second end", "short axis, first end", "short axis, second end"],
        step: 0.5, within: [field, field], radius: field / 60,
        moved: (points) => {
          const length = ([a, b], [c, d]) => Math.hypot(c - a, d - b);
          lines.forEach((line, i) => line.setAttribute("d", `M${points[2 * i].join(" ")}L${points[2 * i + 1].join(" ")}`));
          told.textContent = `${length(points[0], points[1]).toFixed(1)} x ${length(points[2], points[3]).toFixed(1)} mm`;
        },
      });
      const keep = element("button", { type: "button", className: "keep-ends", textContent: "keep" });
      const leave = element("button", { type: "button", textContent: "leave" });
      const picture = element("img", { src: row.dataset.picture, alt: "Slice of the lesion, seen from the feet" });
      const line = element("tr", { className: "editing" }, element("td", { colSpan: row.cells.length },
        element("div", { className: "frame" }, picture, drawing, ...[["left", "R"], ["right", "L"], ["above", "A"], ["below", "P"]].map(([side, word]) => element("span", { className: `side ${side}`, textContent: word }))), told, element("p", { className: "ask" }, keep, leave)));
      leave.addEventListener("click", () => line.remove());
      keep.addEventListener("click", async () => {
        const moved = handles.points.flatMap((point, i) => toPatient(point, ends[i][2])).map((at) => Math.round(at * 100) / 100);
        await say(exam, run, target, "edit", { points_mm: moved });
        line.remove();
      });
      row.after(line);
    });
  }

  // ---- boxes of an X-ray: choose one, drag its corners
  for (const article of document.querySelectorAll(".xray-exam")) for (const figure of article.querySelectorAll(".xray-figure")) {
    const drawing = figure.querySelector("svg");
    const boxes = [...drawing.querySelectorAll(".place-box[data-finding]")];
    if (!boxes.length) continue;
    const [, , width, height] = drawing.getAttribute("viewBox").split(" ").map(Number);
    const list = element("select", { className: "box-to-edit" }, element("option", { value: "", textContent: "no box" }),
      ...boxes.map((box, i) => element("option", { value: String(i), textContent: `${box.dataset.place}, ${box.dataset.run}` })));
    const keep = element("button", { type: "button", className: "verdict keep-box", textContent: "keep", hidden: true });
    let handles = null, chosen = null, before = null;
    const stop = () => {
      handles?.remove();
      chosen?.classList.remove("editing-box");
      if (chosen && before) for (const [name, value] of Object.entries(before)) chosen.setAttribute(name, value);
      handles = chosen = before = null;
      keep.hidden = true;
    };
    list.addEventListener("change", () => {
      stop();
      if (list.value === "") return;
      chosen = boxes[Number(list.value)];
      before = Object.fromEntries(["x", "y", "width", "height"].map((name) => [name, chosen.getAttribute(name)]));
      const [x, y, w, h] = Object.values(before).map(Number);
      chosen.classList.add("editing-box");
      keep.hidden = false;
      const box = chosen;
      handles = Handles.on(drawing, [[x, y], [x + w, y + h]], {
        names: ["upper left corner", "lower right corner"], step: width / 200, within: [width, height], radius: width / 90,
        moved: ([[left, top], [right, bottom]]) => {
          const now = { x: Math.min(left, right), y: Math.min(top, bottom), width: Math.abs(right - left), height: Math.abs(bottom - top) };
          for (const [name, value] of Object.entries(now)) box.setAttribute(name, value.toFixed(1));
        },
      });
    });
    keep.addEventListener("click", async () => {
      const [x, y, w, h] = ["x", "y", "width", "height"].map((name) => Number(chosen.getAttribute(name)));
      before = null; // the box stays where it was put
      await say(Number(article.dataset.exam), chosen.dataset.run, `finding|${chosen.dataset.finding}`, "edit", { box: [x, y, x + w, y + h] });
      list.value = "";
      stop();
    });
    figure.querySelector("figcaption").append(" ", element("label", {}, "correct a box ", list), " ", keep);
  }

  const mark = () => {
    const mine = new Map();
    for (const entry of entries) if (entry.author === author.value.trim()) mine.set(`${entry.exam}|${entry.run}|${entry.target}`, entry.kind);
    for (const [key, holder] of judged) {
      const kind = mine.get(key) ?? "";
      holder.dataset.now = kind === "undo" ? "" : kind;
      for (const button of holder.querySelectorAll(".verdict")) button.setAttribute("aria-pressed", String(button.classList.contains(holder.dataset.now || "none")));
    }
  };
  const words = (target) => (target === "mask" ? "the mask" : target.split("|").slice(1).join(" at "));
  const load = async () => {
    entries = await (await fetch(`../api/corrections/${data.page}`)).json();
    const table = root.querySelector(".journal");
    table.hidden = !entries.length;
    table.tBodies[0].replaceChildren(...entries.map((entry) => {
      const changed = Object.entries(entry.payload).filter(([key]) => key !== "image_id").map(([key, value]) => `${key}: ${[value].flat().join(", ")}`).join("; ");
      return element("tr", {}, ...[entry.made.replace("T", " ").slice(0, 19), entry.author, entry.kind + (changed ? ` (${changed})` : ""), words(entry.target), entry.run].map((text) => element("td", { textContent: text })), element("td"));
    }));
    finish.disabled = !entries.length;
    mark();
    const agreed = await (await fetch("../api/agreement")).json();
    const figure = ([value, low, high]) => (value === null ? "undefined" : value.toFixed(2) + (low === null ? "" : ` (${low.toFixed(2)} to ${high.toFixed(2)})`));
    root.querySelector(".agreement").textContent = agreed.n
      ? `${agreed.first} and ${agreed.second} judged ${agreed.n} of the same things in the cohort: equal ${figure(agreed.percent)}, kappa ${figure(agreed.kappa)}.`
      : agreed.authors.length > 1 ? `${agreed.authors.join(" and ")} have judged nothing in common yet.` : "";
  };
  finish.addEventListener("click", async () => {
    try { status.textContent = `Runs of the cohort now: ${(await send("../api/finish", "{}")).runs.join(", ")}.`; } catch (error) { status.textContent = error.message; }
  });

  // ---- drawing: on the whole volume, on the grid of the mask that is corrected
  Tumorboard.on("viewer", ({ root: room, viewer, exam, state, show }) => {
    const pens = room.querySelector(".pens");
    let drawing = null;
    const offer = () => {
      const masks = exam().layers.filter((layer) => layer.kind === "mask");
      const list = element("select", {}, ...masks.map((layer) => element("option", { value: layer.index, textContent: layer.title })));
      list.setAttribute("aria-label", "Mask to correct");
      const begin = element("button", { type: "button", className: "begin-drawing", textContent: "Draw on the mask of" });
      begin.addEventListener("click", async () => {
        if (!named()) return;
        begin.disabled = true;
        try { await start(masks.find((layer) => String(layer.index) === list.value)); } catch (error) { status.textContent = error.message; offer(); }
      });
      pens.replaceChildren(...(masks.length ? [begin, list] : []));
    };
    const start = async (layer) => {
      const index = state.a;
      await show("a", index, { grid: layer });
      await viewer().startDrawing(`../whole/${exam().key}/${layer.index}.nii`);
      drawing = layer;
      const labels = Object.entries(layer.labels);
      const tools = [...labels.map(([value, name]) => [`Draw ${name}`, Number(value), false]), ...labels.map(([value, name]) => [`Fill ${name}`, Number(value), true]), ["Erase", 0, false], ["Erase inside", 0, true]];
      const made = tools.map(([title, value, filled]) => {
        const button = element("button", { type: "button", textContent: title });
        button.addEventListener("click", () => {
          for (const other of made) other.setAttribute("aria-pressed", String(other === button));
          viewer().pen(value, filled);
        });
        return button;
      });
      const undo = element("button", { type: "button", textContent: "Undo" });
      undo.addEventListener("click", () => viewer().undo());
      const save = element("button", { type: "button", className: "save-drawing", textContent: "Save as my reading" });
      save.addEventListener("click", keep);
      const leave = element("button", { type: "button", textContent: "Leave" });
      leave.addEventListener("click", async () => { viewer().stopDrawing(); await show("a", index); offer(); });
      pens.replaceChildren(...made, undo, save, leave);
      made[0].click();
    };
    const keep = async () => {
      const name = named();
      if (!name) return;
      try {
        const bytes = await viewer().drawn();
        const packed = bytes[0] === 0x1f ? bytes : await new Response(new Blob([bytes]).stream().pipeThrough(new CompressionStream("gzip"))).arrayBuffer();
        const query = new URLSearchParams({ author: name, nonce: nonce() });
        await send(`../api/masks/${exam().key}/${drawing.index}?${query}`, packed, "application/gzip");
        await load();
        status.textContent = "Written down: the mask.";
      } catch (error) { status.textContent = `Not written down. ${error.message}`; }
    };
    offer();
    room.querySelector(".exam-a").addEventListener("change", () => setTimeout(offer));
  });

  (async () => {
    secret = (await (await fetch("../api/session")).json()).secret;
    await load();
    root.dataset.ready = "true";
  })();
});
