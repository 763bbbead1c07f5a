/* Turns vessel trees in the browser, offline: WebGL 2, no library. Data: scene.py. */
"use strict";
(() => {
  const root = document.getElementById("viewer");
  if (!root) return;
  const setup = JSON.parse(document.getElementById("viewer-setup").textContent);
  const canvas = root.querySelector("canvas");
  const say = root.querySelector("[data-say]");
  const gl = canvas.getContext("webgl2", { antialias: true, preserveDrawingBuffer: true });
  if (!gl || typeof DecompressionStream === "undefined") {
    root.dataset.state = "unavailable";
    say.textContent = "This browser cannot draw the 3D view (it needs WebGL 2). The still " +
      "pictures of each case show the same trees from the front.";
    return;
  }

  const rgb = (hex) => [1, 3, 5].map((i) => parseInt(hex.slice(i, i + 2), 16) / 255);
  const colour = Object.fromEntries(
    Object.entries(setup.classes).map(([name, hex]) => [name, rgb(hex)]));
  const errorColours = setup.errors.map(rgb);
  const view = { yaw: 0, pitch: 0, zoom: 1, shiftX: 0, shiftY: 0 };
  const loaded = {};
  let scene = null;
  let drawn = 0;

  const program = link(
    `#version 300 es
     in vec3 place; in vec3 normal; in float flag;
     uniform mat3 turn; uniform vec2 scale; uniform vec2 shift; uniform float depth;
     out vec3 seen; flat out int code; out float back;
     void main() {
       vec3 p = turn * place; seen = turn * normal; code = int(flag + 0.5); back = p.z / depth;
       gl_Position = vec4(p.xy * scale + shift, -back * 0.9, 1.0);
     }`,
    `#version 300 es
     precision mediump float;
     in vec3 seen; flat in int code; in float back;
     uniform vec3 base; uniform vec3 errors[5]; uniform bool marking;
     out vec4 pixel;
     void main() {
       vec3 light = normalize(vec3(-0.35, 0.5, 0.8));
       float lit = 0.32 + 0.68 * abs(dot(normalize(seen), light));
       float fog = 0.62 + 0.38 * clamp(back + 0.5, 0.0, 1.0);
       pixel = vec4((marking ? errors[code] : base) * lit * fog, 1.0);
     }`);
  const at = (name) => gl.getUniformLocation(program, name);
  const where = Object.fromEntries(
    ["turn", "scale", "shift", "depth", "base", "errors", "marking"].map((n) => [n, at(n)]));
  gl.enable(gl.DEPTH_TEST);

  function link(vertex, fragment) {
    const made = gl.createProgram();
    for (const [kind, text] of [[gl.VERTEX_SHADER, vertex], [gl.FRAGMENT_SHADER, fragment]]) {
      const shader = gl.createShader(kind);
      gl.shaderSource(shader, text);
      gl.compileShader(shader);
      if (!gl.getShaderParameter(shader, gl.COMPILE_STATUS)) {
        throw new Error(gl.getShaderInfoLog(shader));
      }
      gl.attachShader(made, shader);
    }
    gl.bindAttribLocation(made, 0, "place");
    gl.bindAttribLocation(made, 1, "normal");
    gl.bindAttribLocation(made, 2, "flag");
    gl.linkProgram(made);
    return made;
  }

  /* Byte planes to numbers; `kind` is a typed array. */
  async function unpack(text, kind) {
    const packed = Uint8Array.from(atob(text), (c) => c.charCodeAt(0));
    const stream = new Blob([packed]).stream().pipeThrough(new DecompressionStream("deflate"));
    const planes = new Uint8Array(await new Response(stream).arrayBuffer());
    const size = kind.BYTES_PER_ELEMENT;
    const out = new kind(planes.length / size);
    for (let i = 0; i < out.length; i++) {
      for (let b = size - 1; b >= 0; b--) out[i] = out[i] * 256 + planes[b * out.length + i];
    }
    return out;
  }

  async function upload(mesh, step) {
    const raw = new Int16Array((await unpack(mesh.position, Uint16Array)).buffer);
    for (let i = 1; i < raw.length; i++) raw[i] += raw[i - 1];
    const index = await unpack(mesh.index, Uint32Array);
    for (let i = 0, unused = 0; i < index.length; i++) {
      index[i] = unused - index[i];
      if (index[i] === unused) unused++;
    }
    const flag = await unpack(mesh.flag, Uint8Array);
    const n = mesh.vertices;
    const place = new Float32Array(3 * n);
    for (let i = 0; i < n; i++) {
      for (let a = 0; a < 3; a++) place[3 * i + a] = raw[a * n + i] * step;
    }
    const normal = normals(place, index);
    const array = gl.createVertexArray();
    gl.bindVertexArray(array);
    attribute(0, place, 3, gl.FLOAT);
    attribute(1, normal, 3, gl.FLOAT);
    attribute(2, flag, 1, gl.UNSIGNED_BYTE);
    gl.bindBuffer(gl.ELEMENT_ARRAY_BUFFER, gl.createBuffer());
    gl.bufferData(gl.ELEMENT_ARRAY_BUFFER, index, gl.STATIC_DRAW);
    gl.bindVertexArray(null);
    return { name: mesh.class, missed: Boolean(mesh.missed), array, count: index.length };
  }

  function attribute(slot, values, size, type) {
    gl.bindBuffer(gl.ARRAY_BUFFER, gl.createBuffer());
    gl.bufferData(gl.ARRAY_BUFFER, values, gl.STATIC_DRAW);
    gl.enableVertexAttribArray(slot);
    gl.vertexAttribPointer(slot, size, type, false, 0, 0);
  }

  function normals(p, index) {
    const out = new Float32Array(p.length);
    for (let f = 0; f < index.length; f += 3) {
      const [a, b, c] = [3 * index[f], 3 * index[f + 1], 3 * index[f + 2]];
      const u = [p[b] - p[a], p[b + 1] - p[a + 1], p[b + 2] - p[a + 2]];
      const v = [p[c] - p[a], p[c + 1] - p[a + 1], p[c + 2] - p[a + 2]];
      const n = [u[1] * v[2] - u[2] * v[1], u[2] * v[0] - u[0] * v[2], u[0] * v[1] - u[1] * v[0]];
      for (const corner of [a, b, c]) for (let i = 0; i < 3; i++) out[corner + i] += n[i];
    }
    return out;
  }

  async function show(name) {
    root.dataset.state = "loading";
    const content = JSON.parse(document.getElementById(`scene-${name}`).textContent);
    if (!loaded[name]) {
      const sets = [];
      for (const [key, meshes] of Object.entries(content.sets)) {
        sets.push({ key, meshes: await Promise.all(meshes.map((m) => upload(m, content.step_mm))) });
      }
      loaded[name] = { sets, size: content.size_mm, titles: content.titles };
    }
    if (chosen("case") !== name) return;
    scene = loaded[name];
    const sets = scene.sets;
    const list = root.querySelector("[data-sets]");
    list.replaceChildren(list.querySelector("legend"), ...sets.map(({ key }) => checkbox("set", key, scene.titles[key])));
    root.dataset.state = "ready";
    say.textContent = `${name}: ${sets.map((s) => scene.titles[s.key]).join(", ")}. ` +
      `Drawn on a grid of ${content.grid_mm} mm; thin vessels look up to that much wider.`;
    draw();
  }

  function checkbox(group, value, title) {
    const label = document.createElement("label");
    const box = document.createElement("input");
    Object.assign(box, { type: "checkbox", checked: true, name: group, value });
    box.addEventListener("change", draw);
    label.append(box, ` ${title}`);
    return label;
  }

  const chosen = (name) => root.querySelector(`[name=${name}]`).value;
  const ticked = (name) =>
    [...root.querySelectorAll(`input[name=${name}]:checked`)].map((box) => box.value);

  function draw() {
    if (!drawn) drawn = requestAnimationFrame(() => { drawn = 0; paint(); });
  }

  function paint() {
    if (!scene) return;
    const ratio = Math.min(window.devicePixelRatio || 1, 2);
    const width = Math.round(canvas.clientWidth * ratio);
    const height = Math.round(canvas.clientHeight * ratio);
    if (canvas.width !== width || canvas.height !== height) Object.assign(canvas, { width, height });
    gl.viewport(0, 0, width, height);
    gl.clearColor(...rgb(setup.backdrop), 1);
    gl.clear(gl.COLOR_BUFFER_BIT | gl.DEPTH_BUFFER_BIT);
    const sets = scene.sets.filter((s) => ticked("set").includes(s.key));
    const classes = ticked("class");
    const [cy, sy] = [Math.cos(view.yaw), Math.sin(view.yaw)];
    const [cp, sp] = [Math.cos(view.pitch), Math.sin(view.pitch)];
    gl.useProgram(program);
    gl.uniformMatrix3fv(where.turn, false,
      [cy, sp * sy, -cp * sy, 0, cp, sp, sy, -sp * cy, cp * cy]);
    gl.uniform3fv(where.errors, errorColours.flat());
    const radius = Math.hypot(...scene.size) / 2;
    const panel = Math.floor(width / Math.max(1, sets.length));
    const fit = Math.min(panel / scene.size[0], height / scene.size[2]) * 0.96 * view.zoom;
    gl.uniform2f(where.scale, (2 * fit) / panel, (2 * fit) / height);
    gl.uniform2f(where.shift, view.shiftX, view.shiftY);
    gl.uniform1f(where.depth, radius);
    sets.forEach((set, i) => {
      gl.viewport(i * panel, 0, panel, height);
      const marking = chosen("colouring") === "errors" && set.key !== "reference";
      gl.uniform1i(where.marking, marking);
      for (const mesh of set.meshes) {
        if (!classes.includes(mesh.name) || (mesh.missed && !marking)) continue;
        gl.uniform3fv(where.base, colour[mesh.name]);
        gl.bindVertexArray(mesh.array);
        gl.drawElements(gl.TRIANGLES, mesh.count, gl.UNSIGNED_INT, 0);
      }
    });
    name(sets);
  }

  function name(sets) {
    const row = root.querySelector("[data-captions]");
    row.replaceChildren(...sets.map((set) => {
      const span = document.createElement("span");
      span.textContent = scene.titles[set.key];
      return span;
    }));
  }

  function look(yaw, pitch) {
    Object.assign(view, { yaw, pitch });
    draw();
  }
  function turn(yaw, pitch) {
    look(view.yaw + yaw, Math.max(-1.57, Math.min(1.57, view.pitch + pitch)));
  }
  function zoom(factor) {
    view.zoom = Math.max(0.5, Math.min(12, view.zoom * factor));
    draw();
  }
  const views = {
    front: [0, 0], back: [Math.PI, 0], left: [-Math.PI / 2, 0], right: [Math.PI / 2, 0],
    top: [0, 1.57],
  };

  const held = new Map();
  canvas.addEventListener("pointerdown", (e) => {
    held.set(e.pointerId, e);
    canvas.setPointerCapture(e.pointerId);
  });
  for (const end of ["pointerup", "pointercancel"]) {
    canvas.addEventListener(end, (e) => held.delete(e.pointerId));
  }
  canvas.addEventListener("pointermove", (e) => {
    const before = held.get(e.pointerId);
    if (!before) return;
    const [dx, dy] = [e.clientX - before.clientX, e.clientY - before.clientY];
    held.set(e.pointerId, e);
    if (held.size === 1 && !e.shiftKey) turn(dx * 0.008, dy * 0.008);
    else {
      const panels = Math.max(1, ticked("set").length);
      view.shiftX += (2 * dx * panels) / canvas.clientWidth / held.size;
      view.shiftY -= (2 * dy) / canvas.clientHeight / held.size;
      draw();
    }
  });
  canvas.addEventListener("wheel", (e) => {
    if (!e.ctrlKey && document.activeElement !== canvas) return;
    e.preventDefault();
    zoom(Math.exp(-e.deltaY * 0.002));
  }, { passive: false });
  canvas.addEventListener("keydown", (e) => {
    const keys = {
      ArrowLeft: () => turn(-0.12, 0), ArrowRight: () => turn(0.12, 0),
      ArrowUp: () => turn(0, -0.12), ArrowDown: () => turn(0, 0.12),
      "+": () => zoom(1.2), "=": () => zoom(1.2), "-": () => zoom(1 / 1.2), 0: reset,
    };
    if (e.ctrlKey || e.metaKey || e.altKey || !keys[e.key]) return;
    e.preventDefault();
    keys[e.key]();
  });
  function reset() {
    Object.assign(view, { zoom: 1, shiftX: 0, shiftY: 0 });
    look(0, 0);
  }
  root.querySelector("[data-views]").addEventListener("click", (e) => {
    const which = e.target.dataset.view;
    if (which === "reset") reset();
    else if (which === "in") zoom(1.25);
    else if (which === "out") zoom(0.8);
    else if (views[which]) look(...views[which]);
  });
  root.addEventListener("change", (e) => {
    if (e.target.name === "case") show(e.target.value);
    else draw();
  });
  document.addEventListener("click", (e) => {
    const name = e.target.dataset && e.target.dataset.scene;
    if (!name) return;
    root.querySelector("[name=case]").value = name;
    show(name);
    root.scrollIntoView({ block: "center" });
    canvas.focus({ preventScroll: true });
  });
  new ResizeObserver(draw).observe(canvas);
  show(chosen("case"));
})();
