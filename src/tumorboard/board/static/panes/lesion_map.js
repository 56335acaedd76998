// Points laid over a drawn map: the nearest one tells whose it is and leads there; a choice of patients stands out.
// One script for both maps: there is no map of vectors without marked lesions, whose pane loads this.
"use strict";

for (const name of ["lesion_map", "embedding"]) Tumorboard.pane(name, (root, data) => {
  const map = root.querySelector(".map");
  if (!data || !map) return;
  const said = root.querySelector(".map-said");
  const canvas = map.appendChild(document.createElement("canvas"));
  canvas.setAttribute("aria-hidden", "true");
  const REACH = 9;
  let chosen = null;

  const at = ([x, y]) => [
    (data.axes[0] + data.axes[2] * x / 1000) * canvas.clientWidth,
    (data.axes[1] + data.axes[3] * y / 1000) * canvas.clientHeight,
  ];
  const draw = (lit = null) => {
    const scale = devicePixelRatio || 1;
    canvas.width = canvas.clientWidth * scale;
    canvas.height = canvas.clientHeight * scale;
    const pen = canvas.getContext("2d");
    pen.scale(scale, scale);
    const style = getComputedStyle(map);
    map.classList.toggle("dimmed", chosen !== null);
    if (chosen !== null) {
      pen.fillStyle = style.getPropertyValue("--accent");
      for (const point of data.points) {
        if (!chosen.has(data.patients[point[2]][0])) continue;
        const [x, y] = at(point);
        pen.beginPath(); pen.arc(x, y, 2.5, 0, 7); pen.fill();
      }
    }
    if (lit) {
      pen.strokeStyle = style.getPropertyValue("--ink");
      pen.lineWidth = 2;
      const [x, y] = at(lit);
      pen.beginPath(); pen.arc(x, y, 7, 0, 7); pen.stroke();
    }
  };
  const nearest = (event) => {
    let best = null, least = REACH ** 2;
    for (const point of data.points) {
      if (chosen !== null && !chosen.has(data.patients[point[2]][0])) continue;
      const [x, y] = at(point);
      const far = (x - event.offsetX) ** 2 + (y - event.offsetY) ** 2;
      if (far < least) [best, least] = [point, far];
    }
    return best;
  };
  canvas.addEventListener("mousemove", (event) => {
    const point = nearest(event);
    canvas.style.cursor = point ? "pointer" : "";
    said.textContent = point ? `${data.types[point[3]]}, patient ${data.patients[point[2]][0]}` : "";
    draw(point);
  });
  canvas.addEventListener("mouseleave", () => { said.textContent = ""; draw(); });
  canvas.addEventListener("click", (event) => {
    const point = nearest(event);
    if (point) location.href = `patients/${data.patients[point[2]][1]}.html`;
  });
  Tumorboard.on("chosen", (patients) => {
    chosen = data.patients.every(([patient]) => patients.has(patient)) ? null : patients;
    map.dataset.chosen = chosen === null ? data.points.length : data.points.filter((p) => chosen.has(data.patients[p[2]][0])).length;
    draw();
  });
  new ResizeObserver(() => draw()).observe(map);
});
