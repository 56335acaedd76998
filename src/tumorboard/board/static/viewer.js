// The only file that speaks to NiiVue (0.69, static/vendor/niivue). Everything else knows `Viewer`:
//   const viewer = await Viewer.open(canvas, exam, options); viewer.goTo([x, y, z]); viewer.onMove = (mm) => ...
"use strict";

const Viewer = (() => {
  const COLOURS = [ // of run-0 ... run-6 in board.css
    [53, 214, 255], [255, 138, 216], [255, 225, 77], [67, 214, 160], [157, 183, 255], [255, 168, 107], [208, 212, 217],
  ];
  const MAPS = { pet: "hot", dose: "jet", map: "viridis", ct: "gray" };
  const supported = () => Boolean(document.createElement("canvas").getContext("webgl2"));

  const labelColours = (look, labels) => {
    const values = Object.keys(labels).map(Number);
    const most = Math.max(1, ...values);
    const [r, g, b] = COLOURS[look] ?? COLOURS[6];
    const names = Array.from({ length: most + 1 }, (_, value) => labels[value] ?? "");
    const of = (channel) => names.map((_, value) => (value ? channel : 0));
    return { R: of(r), G: of(g), B: of(b), A: names.map((_, value) => (value ? 255 : 0)), I: names.map((_, v) => v), labels: names };
  };

  class Exam {
    constructor(nv, exam) {
      this.nv = nv;
      this.exam = exam;
      this.images = new Map(); // layer -> NVImage
      this.onMove = () => {};
    }

    // Loads the background first, so that something is there; then what lies over it.
    static async open(canvas, exam, { runs, source }) {
      const nv = new niivue.Niivue({
        backColor: [0.03, 0.035, 0.045, 1],
        crosshairColor: [1, 1, 1, 0.6],
        crosshairWidth: 1,
        isRadiologicalConvention: true,
        sagittalNoseLeft: true,
        isColorbar: false,
        dragAndDropEnabled: false,
        multiplanarShowRender: niivue.SHOW_RENDER.NEVER,
        multiplanarLayout: niivue.MULTIPLANAR_TYPE.ROW,
        fontColor: [0.9, 0.95, 1, 1],
        logLevel: "error",
        loadingText: "",
      });
      await nv.attachToCanvas(canvas, false);
      const made = new Exam(nv, exam);
      made.runs = runs;
      made.source = source;
      nv.setSliceType(nv.sliceTypeMultiplanar);
      nv.overlayOutlineWidth = 0.6;
      nv.onLocationChange = (place) => made.onMove([...place.mm].slice(0, 3), place.values);
      const [first, ...others] = exam.layers.filter((layer) => layer.kind !== "mask");
      const masks = exam.layers.filter((layer) => layer.kind === "mask" && runs[layer.run_id]?.shown);
      for (const layer of [first, ...others, ...masks]) await made.add(layer);
      if (exam.centre) made.goTo(exam.centre);
      return made;
    }

    async add(layer) {
      if (this.images.has(layer)) return this.images.get(layer);
      const bytes = await this.source(this.exam, layer);
      const mask = layer.kind === "mask";
      const image = await niivue.NVImage.loadFromBase64({
        base64: bytes,
        name: `v${layer.index}.nii.gz`,
        colormap: mask ? "gray" : MAPS[layer.kind],
        cal_min: layer.low,
        cal_max: layer.high,
        opacity: this.images.size && !mask ? 0.5 : 1,
        trustCalMinMax: false,
      });
      if (mask) image.setColormapLabel(labelColours(this.runs[layer.run_id]?.look ?? 6, layer.labels));
      image.cal_min = layer.low;
      image.cal_max = layer.high;
      this.nv.addVolume(image);
      this.images.set(layer, image);
      return image;
    }

    get background() { return this.exam.layers.find((layer) => this.images.has(layer)); }

    range(layer, low, high) {
      const image = this.images.get(layer);
      if (!image) return;
      image.cal_min = low;
      image.cal_max = high;
      this.nv.updateGLVolume();
    }

    opacity(kind, value) {
      for (const [layer, image] of this.images) {
        if (layer.kind === kind && layer !== this.background) this.nv.setOpacity(this.nv.volumes.indexOf(image), value);
      }
    }

    // A mask is loaded when it is first asked for.
    async showRun(run, on) {
      for (const layer of this.exam.layers) {
        if (layer.kind !== "mask" || layer.run_id !== run) continue;
        if (on) await this.add(layer);
        if (this.images.has(layer)) this.nv.setOpacity(this.nv.volumes.indexOf(this.images.get(layer)), on ? 1 : 0);
      }
    }

    contours(only) {
      this.nv.overlayOutlineWidth = only ? 0.6 : 0;
      this.nv.overlayAlphaShader = only ? 1 : 0.5;
      this.nv.updateGLVolume();
    }

    layout(type) {
      this.nv.setSliceType(Number(type));
    }

    goTo(mm) {
      this.nv.scene.crosshairPos = this.nv.mm2frac(mm);
      this.nv.updateGLVolume();
      this.nv.createOnLocationChange();
    }

    get place() { return [...this.nv.frac2mm(this.nv.scene.crosshairPos)].slice(0, 3); }

    // Step along x, y or z by one voxel of the background.
    step(axis, by) {
      const spacing = this.nv.volumes[0].pixDimsRAS?.[axis + 1] ?? 1;
      const mm = this.place;
      mm[axis] += by * spacing;
      this.goTo(mm);
    }

    // Both viewers at one place in the patient.
    link(other) {
      this.nv.broadcastTo(other ? [other.nv] : [], { "2d": true, "3d": true });
      if (other) other.nv.broadcastTo([this.nv], { "2d": true, "3d": true });
    }

    // ---- drawing: always on the grid of the background, which is the mask's own grid when it is loaded whole
    async startDrawing(base64) {
      if (base64) {
        const image = await niivue.NVImage.loadFromBase64({ base64, name: "drawing.nii.gz" });
        if (!this.nv.loadDrawing(image)) throw new Error("the mask lies on another grid than the picture");
      } else this.nv.createEmptyDrawing();
      this.nv.setDrawOpacity(0.6);
      this.nv.setDrawingEnabled(true);
    }

    pen(value, filled = false) { this.nv.setPenValue(value, filled); this.nv.opts.penSize = 3; }
    undo() { this.nv.drawUndo(); }

    async drawn() {
      const bytes = await this.nv.saveImage({ filename: "", isSaveDrawing: true, volumeByIndex: 0 });
      if (!(bytes instanceof Uint8Array)) throw new Error("nothing was drawn");
      return bytes;
    }

    stopDrawing() { this.nv.setDrawingEnabled(false); this.nv.closeDrawing(); }

    close() { this.nv.cleanup?.(); }
  }

  return { supported, open: Exam.open };
})();
