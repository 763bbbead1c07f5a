/* Axial, coronal and sagittal slices of a case on canvases. Data: preview.py. */
"use strict";
(() => {
  const { data, view, change, colours } = lacaf;
  const { shape, spacing_mm: spacing, origin_mm: origin, sheets, grey_hu: greyHu } = data.slices;
  const [Z, Y, X] = shape;
  const { unknown: UNKNOWN, codes } = lacaf.setup;
  const root = document.getElementById("slices");
  if (!root || !lacaf.able) return;
  root.dataset.state = "loading";

  /* Axes of the volume across, down and along the picture; rows of the last two start at the head. */
  const PLANES = {
    axial: { axis: 0, down: 1, across: 2, flip: false, edges: ["R", "L", "A", "P"] },
    coronal: { axis: 1, down: 0, across: 2, flip: true, edges: ["R", "L", "H", "F"] },
    sagittal: { axis: 2, down: 0, across: 1, flip: true, edges: ["A", "P", "H", "F"] },
  };
  const stride = [Y * X, X, 1];
  const grey = new Uint8Array(Z * Y * X);
  const labels = {};
  const wrong = {};
  const panes = Object.entries(PLANES).map(([name, plane]) => pane(name, plane));
  const byValue = new Map(lacaf.setup.classes.map((one) => [one.value, one]));

  function pane(name, plane) {
    const box = root.querySelector(`[data-plane=${name}]`);
    const part = {
      name, ...plane, box, canvas: box.querySelector("canvas"), range: box.querySelector("input"),
      caption: box.querySelector("[data-caption]"),
      base: new OffscreenCanvas(shape[plane.across], shape[plane.down]),
      over: new OffscreenCanvas(shape[plane.across], shape[plane.down]),
    };
    part.range.max = shape[plane.axis] - 1;
    part.range.addEventListener("input", () => move(part.axis, Number(part.range.value)));
    part.canvas.addEventListener("keydown", (event) => key(part, event));
    part.canvas.addEventListener("wheel", (event) => wheel(part, event), { passive: false });
    part.canvas.addEventListener("pointerdown", (event) => {
      part.canvas.setPointerCapture(event.pointerId);
      point(part, event);
    });
    part.canvas.addEventListener("pointermove", (event) => {
      if (part.canvas.hasPointerCapture(event.pointerId)) point(part, event);
    });
    box.querySelector("[data-enlarge]").addEventListener("click", () => {
      box.classList.toggle("large");
      part.canvas.focus();
    });
    new ResizeObserver(later).observe(part.canvas);
    return part;
  }

  function move(axis, to) {
    const at = [...view.at];
    at[axis] = to;
    change({ at });
  }
  function key(part, event) {
    const now = view.at[part.axis];
    const to = {
      ArrowUp: now + 1, ArrowRight: now + 1, ArrowDown: now - 1, ArrowLeft: now - 1,
      PageUp: now + 10, PageDown: now - 10, Home: shape[part.axis] - 1, End: 0,
    }[event.key];
    if (to === undefined || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    move(part.axis, to);
  }
  let turned = 0;
  function wheel(part, event) {
    if (document.activeElement !== part.canvas) return; // until it is clicked, the page scrolls
    event.preventDefault();
    turned += event.deltaY;
    const steps = Math.trunc(turned / 40);
    turned -= steps * 40;
    if (steps) move(part.axis, view.at[part.axis] - steps);
  }
  function point(part, event) {
    const { left, top, scale } = part.placed ?? {};
    if (!scale) return;
    const box = part.canvas.getBoundingClientRect();
    const ratio = part.canvas.width / box.width;
    const column = Math.floor(((event.clientX - box.left) * ratio - left) / scale[0]);
    let row = Math.floor(((event.clientY - box.top) * ratio - top) / scale[1]);
    if (part.flip) row = shape[part.down] - 1 - row;
    const at = [...view.at];
    at[part.across] = column;
    at[part.down] = row;
    change({ at, mistake: null });
  }

  async function load() {
    const texts = Object.entries(data.slices.labels);
    await Promise.all([
      ...texts.map(async ([name, packed]) => { labels[name] = await lacaf.inflate(packed); }),
      (async () => { for (const sheet of sheets) { await decode(sheet); later(); } })(),
    ]);
    root.dataset.state = "ready";
    later();
  }
  async function decode(sheet) {
    const picture = new Image();
    picture.src = sheet.src;
    await picture.decode();
    const canvas = new OffscreenCanvas(picture.width, picture.height);
    const context = canvas.getContext("2d", { willReadFrequently: true });
    context.drawImage(picture, 0, 0);
    for (let n = 0; n < sheet.slices; n++) {
      const [row, column] = [Math.floor(n / sheet.columns), n % sheet.columns];
      const { data: pixels } = context.getImageData(column * X, row * Y, X, Y);
      const start = (sheet.first + n) * Y * X;
      for (let i = 0; i < Y * X; i++) grey[start + i] = pixels[4 * i];
    }
  }

  /* As errors() of errors.py. */
  function errorsOf(run) {
    if (wrong[run]) return wrong[run];
    const [found, known] = [labels[run], labels.reference];
    const judged = (value) => data.coverage[byValue.get(value).name] !== "unknown";
    const vessel = new Map([...byValue].map(([value, one]) => [value, one.vessel]));
    const out = new Uint8Array(found.length);
    for (let i = 0; i < out.length; i++) {
      const [p, r] = [found[i], known[i]];
      if (r === UNKNOWN) out[i] = codes.not_known;
      else if (p === r) continue;
      else if (p && r) out[i] = vessel.get(p) === vessel.get(r) ? codes.side : codes.vessel;
      else if (r) out[i] = codes.missed;
      else out[i] = judged(p) ? codes.false : codes.not_known;
    }
    return (wrong[run] = out);
  }

  let drawn = 0;
  function later() {
    if (!drawn) drawn = requestAnimationFrame(() => { drawn = 0; panes.forEach(paint); });
  }

  function paint(part) {
    const slice = view.at[part.axis];
    part.range.value = slice;
    const mm = origin[part.axis] + slice * spacing[part.axis];
    const away = ["z", "y", "x"][part.axis];
    part.caption.textContent =
      `${part.name} ${slice + 1} of ${shape[part.axis]} (${away} ${mm.toFixed(0)} mm)`;
    part.range.setAttribute("aria-valuetext", part.caption.textContent);
    fill(part, slice);
    const { canvas } = part;
    const ratio = Math.min(window.devicePixelRatio || 1, 2);
    const [width, height] = [canvas.clientWidth, canvas.clientHeight].map((v) => Math.round(v * ratio));
    if (canvas.width !== width || canvas.height !== height) Object.assign(canvas, { width, height });
    const context = canvas.getContext("2d");
    context.fillStyle = lacaf.setup.backdrop;
    context.fillRect(0, 0, width, height);
    const size = [shape[part.across] * spacing[part.across], shape[part.down] * spacing[part.down]];
    const fit = Math.min(width / size[0], height / size[1]);
    const [left, top] = [(width - size[0] * fit) / 2, (height - size[1] * fit) / 2];
    part.placed = { left, top, scale: [fit * spacing[part.across], fit * spacing[part.down]] };
    context.imageSmoothingQuality = "high";
    context.drawImage(part.base, left, top, size[0] * fit, size[1] * fit);
    context.imageSmoothingEnabled = false;
    if (view.shown && view.set) context.drawImage(part.over, left, top, size[0] * fit, size[1] * fit);
    cross(part, context, ratio);
    letters(part, context, ratio, size.map((v) => v * fit));
  }

  function fill(part, slice) {
    const [columns, rows] = [shape[part.across], shape[part.down]];
    const base = new ImageData(columns, rows);
    const over = new ImageData(columns, rows);
    const lookup = greys();
    const found = labels[view.set];
    const reference = labels.reference;
    const marking = view.marking && view.set !== "reference" && reference && found;
    const codes = marking ? errorsOf(view.set) : null;
    const known = view.set === "reference" || marking ? reference : null;
    const { classes, errors } = colours();
    const paintOf = [], shownOf = []; // by label value
    for (const [value, { name }] of byValue) {
      paintOf[value] = classes[name];
      shownOf[value] = view.classes.has(name);
    }
    const alpha = Math.round(255 * view.opacity);
    for (let r = 0; r < rows; r++) {
      const row = part.flip ? rows - 1 - r : r;
      for (let c = 0; c < columns; c++) {
        const i = slice * stride[part.axis] + row * stride[part.down] + c * stride[part.across];
        const o = 4 * (r * columns + c);
        base.data[o] = base.data[o + 1] = base.data[o + 2] = lookup[grey[i]];
        base.data[o + 3] = 255;
        if (!found) continue;
        const value = found[i];
        const code = codes ? codes[i] : 0;
        const named = value && value !== UNKNOWN ? value : known ? known[i] : 0;
        if (code && code !== codes.not_known && shownOf[named]) set(over.data, o, errors[code], Math.max(alpha, 200));
        else if (value && value !== UNKNOWN && shownOf[value]) set(over.data, o, paintOf[value], alpha);
        else if (known && known[i] === UNKNOWN && (r + c) % 6 === 0) set(over.data, o, [154, 164, 178], 90);
      }
    }
    part.base.getContext("2d").putImageData(base, 0, 0);
    part.over.getContext("2d").putImageData(over, 0, 0);
  }
  function set(pixels, o, colour, alpha) {
    pixels[o] = colour[0];
    pixels[o + 1] = colour[1];
    pixels[o + 2] = colour[2];
    pixels[o + 3] = alpha;
  }
  function greys() {
    const [low, high] = data.slices.windows_hu[view.window];
    return Uint8ClampedArray.from({ length: 256 }, (_, g) =>
      (255 * (greyHu[0] + (g / 255) * (greyHu[1] - greyHu[0]) - low)) / (high - low));
  }

  function cross(part, context, ratio) {
    const { left, top, scale } = part.placed;
    const row = part.flip ? shape[part.down] - 1 - view.at[part.down] : view.at[part.down];
    const x = left + (view.at[part.across] + 0.5) * scale[0];
    const y = top + (row + 0.5) * scale[1];
    const gap = 9 * ratio;
    context.strokeStyle = "rgba(255,255,255,.45)";
    context.lineWidth = ratio;
    context.beginPath();
    for (const [a, b, c, d] of [
      [0, y, x - gap, y], [x + gap, y, part.canvas.width, y],
      [x, 0, x, y - gap], [x, y + gap, x, part.canvas.height],
    ]) {
      context.moveTo(a, b);
      context.lineTo(c, d);
    }
    context.stroke();
    if (view.mistake === null) return;
    context.strokeStyle = "#fff";
    context.lineWidth = 2 * ratio;
    context.beginPath();
    context.arc(x, y, 16 * ratio, 0, 2 * Math.PI);
    context.stroke();
  }
  function letters(part, context, ratio, [width, height]) {
    const { left, top } = part.placed;
    const inset = 10 * ratio;
    const places = [
      [left + inset, top + height / 2], [left + width - inset, top + height / 2],
      [left + width / 2, top + inset], [left + width / 2, top + height - inset],
    ];
    context.font = `600 ${13 * ratio}px system-ui, sans-serif`;
    context.textAlign = "center";
    context.textBaseline = "middle";
    context.lineWidth = 3 * ratio;
    context.strokeStyle = "#000";
    context.fillStyle = "#fff";
    part.edges.forEach((letter, n) => {
      context.strokeText(letter, ...places[n]);
      context.fillText(letter, ...places[n]);
    });
  }

  lacaf.watch(later);
  load();
})();
