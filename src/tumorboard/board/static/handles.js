// Points of a drawing that can be dragged, or moved with the arrow keys: ends of axes, corners of boxes.
//   Handles.on(svg, [[x, y], ...], { names, step, within: [width, height], moved: (points) => ... }) -> { points, remove() }
"use strict";

const Handles = (() => {
  const on = (drawing, start, { names, step, within: [width, height], radius, moved }) => {
    const points = start.map((point) => [...point]);
    const place = (event) => {
      const at = new DOMPoint(event.clientX, event.clientY).matrixTransform(drawing.getScreenCTM().inverse());
      return [at.x, at.y];
    };
    const clamp = ([x, y]) => [Math.min(width, Math.max(0, x)), Math.min(height, Math.max(0, y))];
    const show = () => {
      dots.forEach((dot, i) => { dot.setAttribute("cx", points[i][0].toFixed(2)); dot.setAttribute("cy", points[i][1].toFixed(2)); });
      moved(points);
    };
    const dots = points.map((_, i) => {
      const dot = Tumorboard.svg("circle", { class: "handle", r: radius, tabindex: 0, role: "button", "aria-label": `${names[i]}: drag, or move with the arrow keys` });
      let held = false;
      dot.addEventListener("pointerdown", (event) => { held = true; dot.setPointerCapture(event.pointerId); event.preventDefault(); dot.focus(); });
      dot.addEventListener("pointermove", (event) => { if (held) { points[i] = clamp(place(event)); show(); } });
      for (const end of ["pointerup", "pointercancel"]) dot.addEventListener(end, () => { held = false; });
      dot.addEventListener("keydown", (event) => {
        const move = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] }[event.key];
        if (!move) return;
        event.preventDefault();
        event.stopPropagation();
        points[i] = clamp([points[i][0] + step * move[0], points[i][1] + step * move[1]]);
        show();
      });
      drawing.append(dot);
      return dot;
    });
    show();
    return { points, remove() { dots.forEach((dot) => dot.remove()); } };
  };
  return { on };
})();
