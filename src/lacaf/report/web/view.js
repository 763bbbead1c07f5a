/* What the slices, the trees and the list of errors have in common: the case's data, the place
   that is looked at, and what is shown. Data: casepage.py, preview.py, scene.py; classes and codes
   of errors: rendering.py. Why no library: casepage.py. */
"use strict";
const lacaf = (() => {
  const text = (id) => JSON.parse(document.getElementById(id).textContent);
  const setup = text("setup");
  const data = text("case");
  const listeners = [];
  const view = {
    at: data.start, // voxel z, y, x of the slices' grid
    set: data.sets.length ? data.sets[data.sets.length > 1 && data.judged ? 1 : 0].key : "",
    marking: data.judged,
    shown: true,
    opacity: 0.6,
    window: Object.keys(data.slices.windows_hu)[0],
    classes: new Set(Object.keys(setup.palettes[document.documentElement.dataset.palette].classes)),
    mistake: null,
  };

  function change(part) {
    Object.assign(view, part);
    if (part.at) view.at = part.at.map((v, a) => Math.max(0, Math.min(data.slices.shape[a] - 1, v)));
    for (const listener of listeners) listener(view);
  }

  const rgb = (hex) => [1, 3, 5].map((i) => parseInt(hex.slice(i, i + 2), 16));
  function colours() {
    const chosen = setup.palettes[document.documentElement.dataset.palette];
    return {
      classes: Object.fromEntries(Object.entries(chosen.classes).map(([n, c]) => [n, rgb(c)])),
      errors: [setup.right, ...Object.values(chosen.errors), setup.not_known].map(rgb),
      backdrop: rgb(setup.backdrop),
    };
  }

  async function inflate(packed) {
    const bytes = Uint8Array.from(atob(packed), (c) => c.charCodeAt(0));
    const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("deflate"));
    return new Uint8Array(await new Response(stream).arrayBuffer());
  }

  /* Byte planes to numbers; `kind` is a typed array. */
  async function unpack(packed, kind) {
    const planes = await inflate(packed);
    const size = kind.BYTES_PER_ELEMENT;
    const out = new kind(planes.length / size);
    for (let i = 0; i < out.length; i++) {
      for (let b = size - 1; b >= 0; b--) out[i] = out[i] * 256 + planes[b * out.length + i];
    }
    return out;
  }

  document.addEventListener("palette", () => change({}));
  return {
    setup, data, view, change, colours, inflate, unpack,
    able: typeof DecompressionStream !== "undefined",
    watch: (listener) => listeners.push(listener),
    title: (key) => data.sets.find((set) => set.key === key)?.title ?? "",
  };
})();
