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

  // Voxels of a label within `reach` voxels of another value: its rim. The picture below decides how thick a rim must be
  // to be seen whole.
  const rimOf = (img, [, nx, ny, nz], reach) => {
    const rim = new img.constructor(img.length);
    const size = [nx, ny, nz], step = [1, nx, nx * ny];
    for (let k = 0, at = 0; k < nz; k++) for (let j = 0; j < ny; j++) for (let i = 0; i < nx; i++, at++) {
      const value = img[at];
      if (!value) continue;
      const place = [i, j, k];
      search: for (let axis = 0; axis < 3; axis++) for (let by = 1; by <= reach[axis]; by++) {
        const low = place[axis] - by, high = place[axis] + by;
        if (low < 0 || high >= size[axis] || img[at - by * step[axis]] !== value || img[at + by * step[axis]] !== value) {
          rim[at] = value;
          break search;
        }
      }
    }
    return rim;
  };

  // NiiVue makes the gradients of the whole background whenever it changes, for lit volumes, which are not offered here:
  // without a graphics card that is most of the time. From the first texture that it makes for them to the end, the
  // background has no slices to go through.
  const withoutGradients = (nv) => {
    const [make, refresh] = [nv.rgbaTex.bind(nv), nv.refreshLayers.bind(nv)];
    const held = new Map();
    nv.rgbaTex = (texture, unit, dims, scratch) => {
      const first = unit === nv.gl.TEXTURE8 && scratch;
      if (first) { held.set(dims, dims[3]); dims[3] = 0; }
      return make(texture, unit, first || unit === nv.gl.TEXTURE6 ? [3, 1, 1, 1] : dims, scratch);
    };
    nv.refreshLayers = (volume, layer) => {
      refresh(volume, layer);
      for (const [dims, slices] of held) dims[3] = slices;
      held.clear();
    };
  };

  class Exam {
    constructor(nv, exam) {
      this.nv = nv;
      this.exam = exam;
      this.images = new Map(); // layer -> NVImage
      this.onMove = () => {};
      this.other = null; // the viewer that goes where this one goes,
      this.shift = [0, 0, 0]; // this far away (mm): exams do not lie alike on the table
      this.loading = true; // nothing is drawn until everything is there
      this.stale = new Set(); // what must be made anew before the next picture: "below", "over"
    }

    // Textures are the dear part: the background's and the overlays' are made anew only when they changed, at most once
    // per frame, however many controls moved.
    soon(...stale) {
      if (!this.stale.size && !this.loading) requestAnimationFrame(() => this.refresh());
      stale.forEach((one) => this.stale.add(one));
    }

    refresh() {
      const { nv, stale } = this;
      this.loading = false;
      if (this.closed || !stale.size) return;
      if (stale.has("below")) nv.refreshLayers(nv.volumes[0], 0);
      // Overlays are blended one over the other: a change in one starts from the first.
      if (stale.has("over")) nv.overlays.forEach((volume, i) => nv.refreshLayers(volume, i + 1));
      nv.furthestVertexFromOrigin = nv.volumeObject3D?.furthestVertexFromOrigin ?? 0;
      stale.clear();
      nv.drawScene();
    }

    // Loads the background first, so that something is there; then what lies over it.
    // `grid`: a mask's layer; then whole volumes are fetched from the server, the one on the mask's grid first.
    static async open(canvas, exam, { runs, source, grid }) {
      const nv = new niivue.Niivue({
        backColor: [0.03, 0.035, 0.045, 1],
        crosshairColor: [1, 1, 1, 0.55],
        crosshairWidth: 0.6,
        crosshairWidthUnit: "mm",
        crosshairGap: 8,
        isRadiologicalConvention: true,
        sagittalNoseLeft: true,
        isColorbar: false,
        dragAndDropEnabled: false,
        multiplanarShowRender: niivue.SHOW_RENDER.NEVER,
        multiplanarLayout: niivue.MULTIPLANAR_TYPE.AUTO,
        fontColor: [0.9, 0.95, 1, 1],
        logLevel: "error",
        loadingText: "",
      });
      await nv.attachToCanvas(canvas, false);
      withoutGradients(nv);
      const made = new Exam(nv, exam);
      made.runs = runs;
      made.source = source;
      nv.setSliceType(nv.sliceTypeMultiplanar);
      nv.onLocationChange = (place) => {
        const mm = [...place.mm].slice(0, 3);
        made.onMove(mm, place.values);
        made.other?.follow(mm.map((at, axis) => at + made.shift[axis]));
      };
      made.whole = Boolean(grid);
      // Doses and maps are read when they are asked for.
      const below = exam.layers.filter((layer) => ["ct", "pet"].includes(layer.kind));
      if (!below.length) below.push(...exam.layers.filter((layer) => layer.kind !== "mask").slice(0, 1));
      const same = (layer) => grid && layer.grid.join() === grid.grid.join();
      const [first, ...others] = grid ? [...below.filter(same), ...below.filter((layer) => !same(layer))] : below;
      if (grid && !same(first)) throw new Error("no picture has the grid of this mask");
      const masks = grid ? [] : exam.layers.filter((layer) => layer.kind === "mask" && runs[layer.run_id]?.shown);
      for (const layer of [first, ...others, ...masks]) await made.add(layer);
      if (exam.centre) made.nv.scene.crosshairPos = nv.mm2frac(exam.centre);
      return made;
    }

    async add(layer) {
      if (this.images.has(layer)) return this.images.get(layer);
      const mask = layer.kind === "mask";
      const whole = this.whole && !mask;
      const bytes = whole
        ? { url: `../whole/${this.exam.key}/${layer.index}.nii`, name: `v${layer.index}.nii` }
        : { base64: await this.source(this.exam, layer), name: `v${layer.index}.nii.gz` };
      const image = await niivue.NVImage[whole ? "loadFromUrl" : "loadFromBase64"]({
        ...bytes,
        colormap: mask ? "gray" : MAPS[layer.kind],
        cal_min: layer.low,
        cal_max: layer.high,
        opacity: this.images.size && !mask ? 0.5 : 1,
        trustCalMinMax: false,
      });
      if (mask) {
        image.solid = image.img;
        // One voxel of what lies below, axis by axis; by its largest edge where the two are stored in different orders.
        const below = this.nv.volumes[0] ?? image;
        const alike = below.permRAS?.map(Math.abs).join() === image.permRAS?.map(Math.abs).join();
        const edges = below.hdr.pixDims.slice(1, 4);
        const reach = [1, 2, 3].map((axis) => Math.max(1, Math.ceil((alike ? edges[axis - 1] : Math.max(...edges)) / image.hdr.pixDims[axis] - 0.1)));
        image.rim = rimOf(image.img, image.hdr.dims, reach);
        image.img = this.rims === false ? image.solid : image.rim;
        image.setColormapLabel(labelColours(this.runs[layer.run_id]?.look ?? 6, layer.labels));
      }
      image.cal_min = layer.low;
      image.cal_max = layer.high;
      // Masks stay on top, whatever is read after them.
      const entries = [...this.images, [layer, image]];
      this.images = new Map([...entries.filter(([one]) => one.kind !== "mask"), ...entries.filter(([one]) => one.kind === "mask")]);
      this.nv.volumes = [...this.images.values()];
      this.nv.back = this.nv.volumes[0];
      this.nv.overlays = this.nv.volumes.slice(1);
      this.soon(this.nv.overlays.length ? "over" : "below");
      return image;
    }

    get background() { return this.exam.layers.find((layer) => this.images.has(layer)); }

    range(layer, low, high) {
      const image = this.images.get(layer);
      if (!image) return;
      if (image.cal_min === low && image.cal_max === high) return;
      image.cal_min = low;
      image.cal_max = high;
      this.soon(image === this.nv.volumes[0] ? "below" : "over");
    }

    async opacity(overlay, value) {
      for (const layer of this.exam.layers) {
        if (layer.overlay !== overlay || layer.kind === "mask" || layer === this.background) continue;
        if (value > 0 && !this.whole) await this.add(layer);
        const image = this.images.get(layer);
        if (!image || image.opacity === value) continue;
        image.opacity = value;
        this.soon("over");
      }
    }

    // A mask is loaded when it is first asked for.
    async showRun(run, on) {
      for (const layer of this.exam.layers) {
        if (layer.kind !== "mask" || layer.run_id !== run) continue;
        if (on) await this.add(layer);
        const image = this.images.get(layer);
        const opacity = on ? (this.rims === false ? 0.45 : 1) : 0;
        if (!image || image.opacity === opacity) continue;
        image.opacity = opacity;
        this.soon("over");
      }
    }

    // Masks as rims in the run's colour, or filled and half transparent.
    contours(only) {
      if ((this.rims ?? true) === only) return;
      this.rims = only;
      for (const [layer, image] of this.images) {
        if (layer.kind !== "mask") continue;
        image.img = only ? image.rim : image.solid;
        if (image.opacity > 0) image.opacity = only ? 1 : 0.45;
      }
      this.soon("over");
    }

    layout(type) {
      this.nv.setSliceType(Number(type));
    }

    // Larger or smaller about the crosshair; 1 shows the whole scan.
    zoom(factor) {
      const mm = this.place;
      const pan = this.nv.scene.pan2Dxyzmm;
      const change = pan[3] - factor;
      this.nv.scene.pan2Dxyzmm = [pan[0] + change * mm[0], pan[1] + change * mm[1], pan[2] + change * mm[2], factor];
      this.crosshair(factor);
      this.draw();
    }

    // Lines of one thickness on the screen, whatever the scan's size and the zoom; an opening where they meet.
    crosshair(factor) {
      const { hdr } = this.nv.volumes[0];
      const extent = Math.max(...[1, 2, 3].map((axis) => hdr.dims[axis] * hdr.pixDims[axis]));
      this.nv.opts.crosshairWidth = 0.0016 * extent / factor;
      this.nv.opts.crosshairGap = 0.03 * extent / factor;
      if (this.nv.crosshairs3D) this.nv.crosshairs3D.mm[0] = NaN; // NiiVue makes them anew
    }

    // With what is there: nothing is loaded or made anew. Waits for the frame in which something is.
    draw() { if (!this.stale.size) this.nv.drawScene(); }

    get zoomed() { return this.nv.scene.pan2Dxyzmm[3]; }

    goTo(mm) {
      const { scene } = this.nv;
      const [x, y, z, factor] = scene.pan2Dxyzmm;
      const before = this.place;
      scene.crosshairPos = this.nv.mm2frac(mm);
      // What the zoom is about moves with the crosshair.
      scene.pan2Dxyzmm = [x, y, z].map((at, axis) => at + (factor - 1) * (before[axis] - mm[axis])).concat(factor);
      this.draw();
      this.nv.createOnLocationChange();
    }

    // Where the other viewer went.
    follow(mm) {
      const leader = this.other;
      this.other = null;
      this.goTo(mm);
      this.other = leader;
    }

    get place() { return [...this.nv.frac2mm(this.nv.scene.crosshairPos)].slice(0, 3); }

    // Step along x, y or z by one voxel of the background.
    step(axis, by) {
      const spacing = this.nv.volumes[0].pixDimsRAS?.[axis + 1] ?? 1;
      const mm = this.place;
      mm[axis] += by * spacing;
      this.goTo(mm);
    }

    // Both viewers at one place in the patient; `shift`: from a place here to the same place there, in mm.
    link(other, shift = [0, 0, 0]) {
      this.other = other;
      this.shift = shift;
      other.other = this;
      other.shift = shift.map((by) => -by);
    }

    // ---- drawing: always on the grid of the background, which is the mask's own grid when it is loaded whole
    async startDrawing(url) {
      const image = await niivue.NVImage.loadFromUrl({ url, name: "drawing.nii" });
      if (!this.nv.loadDrawing(image)) throw new Error("the mask lies on another grid than the picture");
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

    close() {
      this.closed = true;
      if (this.other) this.other.other = this.other = null;
      this.nv.cleanup?.();
    }
  }

  return { supported, open: Exam.open };
})();
