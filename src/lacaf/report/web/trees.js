/* Turns vessel trees in the browser, offline: WebGL 2, no library. Data: scene.py. */
"use strict";
(() => {
  const root = document.getElementById("trees");
  if (!root) return;
  const { data, view, colours } = lacaf;
  const scene = data.scene;
  const canvas = root.querySelector("canvas");
  const say = root.querySelector("[data-say]");
  const gl = canvas.getContext("webgl2", { antialias: true, preserveDrawingBuffer: true });
  if (!gl || !lacaf.able) {
    root.dataset.state = "unavailable";
    say.textContent = "This browser cannot draw the trees in 3D (it needs WebGL 2). The still " +
      "picture below shows them from the front.";
    document.querySelector(".still")?.classList.add("shown");
    return;
  }
  const camera = { yaw: 0, pitch: 0, zoom: 1, shiftX: 0, shiftY: 0 };
  const trees = {};
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
     uniform vec3 base; uniform vec3 errors[${colours().errors.length}]; uniform bool marking; uniform bool flat_;
     out vec4 pixel;
     void main() {
       vec3 light = normalize(vec3(-0.35, 0.5, 0.8));
       float lit = 0.32 + 0.68 * abs(dot(normalize(seen), light));
       float fog = 0.62 + 0.38 * clamp(back + 0.5, 0.0, 1.0);
       pixel = vec4(flat_ ? base : (marking ? errors[code] : base) * lit * fog, 1.0);
     }`);
  const where = Object.fromEntries(
    ["turn", "scale", "shift", "depth", "base", "errors", "marking", "flat_"].map(
      (name) => [name, gl.getUniformLocation(program, name)]));
  gl.enable(gl.DEPTH_TEST);
  const cross = lines();

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
    ["place", "normal", "flag"].forEach((name, slot) => gl.bindAttribLocation(made, slot, name));
    gl.linkProgram(made);
    return made;
  }

  async function upload(mesh, step) {
    const raw = new Int16Array((await lacaf.unpack(mesh.position, Uint16Array)).buffer);
    for (let i = 1; i < raw.length; i++) raw[i] += raw[i - 1];
    const index = await lacaf.unpack(mesh.index, Uint32Array);
    for (let i = 0, unused = 0; i < index.length; i++) {
      index[i] = unused - index[i];
      if (index[i] === unused) unused++;
    }
    const flag = await lacaf.unpack(mesh.flag, Uint8Array);
    const n = mesh.vertices;
    const place = new Float32Array(3 * n);
    for (let i = 0; i < n; i++) {
      for (let a = 0; a < 3; a++) place[3 * i + a] = raw[a * n + i] * step;
    }
    const array = gl.createVertexArray();
    gl.bindVertexArray(array);
    attribute(0, place, 3, gl.FLOAT);
    attribute(1, normals(place, index), 3, gl.FLOAT);
    attribute(2, flag, 1, gl.UNSIGNED_BYTE);
    gl.bindBuffer(gl.ELEMENT_ARRAY_BUFFER, gl.createBuffer());
    gl.bufferData(gl.ELEMENT_ARRAY_BUFFER, index, gl.STATIC_DRAW);
    gl.bindVertexArray(null);
    return { name: mesh.class, missed: Boolean(mesh.missed), array, count: index.length };
  }

  function attribute(slot, values, size, type) {
    const buffer = gl.createBuffer();
    gl.bindBuffer(gl.ARRAY_BUFFER, buffer);
    gl.bufferData(gl.ARRAY_BUFFER, values, gl.DYNAMIC_DRAW);
    gl.enableVertexAttribArray(slot);
    gl.vertexAttribPointer(slot, size, type, false, 0, 0);
    return buffer;
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

  /* The cross at the place that the slices go through. */
  function lines() {
    const array = gl.createVertexArray();
    gl.bindVertexArray(array);
    const buffer = attribute(0, new Float32Array(18), 3, gl.FLOAT);
    gl.bindVertexArray(null);
    return { array, buffer };
  }
  function crossAt() {
    const { spacing_mm: step, origin_mm: origin } = data.slices;
    const [z, y, x] = view.at.map((v, a) => origin[a] + v * step[a]);
    const [cx, cy, cz] = scene.centre_mm;
    const at = [x - cx, z - cz, cy - y]; // left, head, front: as scene.py packs
    const reach = 12 / camera.zoom;
    return Float32Array.from([0, 1, 2].flatMap((axis) =>
      [-reach, reach].flatMap((d) => at.map((v, i) => v + (i === axis ? d : 0)))));
  }

  async function load() {
    root.dataset.state = "loading";
    for (const [key, meshes] of Object.entries(scene.sets)) {
      trees[key] = await Promise.all(meshes.map((mesh) => upload(mesh, scene.step_mm)));
    }
    root.dataset.state = "ready";
    later();
  }

  const beside = () => root.querySelector("[name=beside]")?.checked;
  function later() {
    if (!drawn) drawn = requestAnimationFrame(() => { drawn = 0; paint(); });
  }

  function paint() {
    const ratio = Math.min(window.devicePixelRatio || 1, 2);
    const width = Math.round(canvas.clientWidth * ratio);
    const height = Math.round(canvas.clientHeight * ratio);
    if (canvas.width !== width || canvas.height !== height) Object.assign(canvas, { width, height });
    const { classes, errors, backdrop } = colours();
    gl.viewport(0, 0, width, height);
    gl.clearColor(...backdrop.map((v) => v / 255), 1);
    gl.clear(gl.COLOR_BUFFER_BIT | gl.DEPTH_BUFFER_BIT);
    const keys = beside() ? Object.keys(trees) : Object.keys(trees).filter((key) => key === view.set);
    const [cy, sy] = [Math.cos(camera.yaw), Math.sin(camera.yaw)];
    const [cp, sp] = [Math.cos(camera.pitch), Math.sin(camera.pitch)];
    gl.useProgram(program);
    gl.uniformMatrix3fv(where.turn, false,
      [cy, sp * sy, -cp * sy, 0, cp, sp, sy, -sp * cy, cp * cy]);
    gl.uniform3fv(where.errors, errors.flat().map((v) => v / 255));
    const panel = Math.floor(width / Math.max(1, keys.length));
    const fit = Math.min(panel / scene.size_mm[0], height / scene.size_mm[2]) * 0.96 * camera.zoom;
    gl.uniform2f(where.scale, (2 * fit) / panel, (2 * fit) / height);
    gl.uniform2f(where.shift, camera.shiftX, camera.shiftY);
    gl.uniform1f(where.depth, Math.hypot(...scene.size_mm) / 2);
    keys.forEach((key, i) => {
      gl.viewport(i * panel, 0, panel, height);
      const marking = view.marking && key !== "reference" && data.judged;
      gl.uniform1i(where.marking, marking);
      gl.uniform1i(where.flat_, false);
      for (const mesh of view.shown ? trees[key] : []) {
        if (!view.classes.has(mesh.name) || (mesh.missed && !marking)) continue;
        gl.uniform3fv(where.base, classes[mesh.name].map((v) => v / 255));
        gl.bindVertexArray(mesh.array);
        gl.drawElements(gl.TRIANGLES, mesh.count, gl.UNSIGNED_INT, 0);
      }
      paintCross();
    });
    caption(keys);
  }
  function paintCross() {
    gl.disable(gl.DEPTH_TEST);
    gl.uniform1i(where.flat_, true);
    gl.uniform3f(where.base, 1, 1, 1);
    gl.bindVertexArray(cross.array);
    gl.bindBuffer(gl.ARRAY_BUFFER, cross.buffer);
    gl.bufferSubData(gl.ARRAY_BUFFER, 0, crossAt());
    gl.drawArrays(gl.LINES, 0, 6);
    gl.enable(gl.DEPTH_TEST);
  }
  function caption(keys) {
    root.querySelector("[data-captions]").replaceChildren(...keys.map((key) => {
      const span = document.createElement("span");
      span.textContent = lacaf.title(key);
      return span;
    }));
  }

  function look(yaw, pitch) {
    Object.assign(camera, { yaw, pitch });
    later();
  }
  const turn = (yaw, pitch) =>
    look(camera.yaw + yaw, Math.max(-1.57, Math.min(1.57, camera.pitch + pitch)));
  function zoom(factor) {
    camera.zoom = Math.max(0.5, Math.min(12, camera.zoom * factor));
    later();
  }
  function reset() {
    Object.assign(camera, { zoom: 1, shiftX: 0, shiftY: 0 });
    look(0, 0);
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
      const panels = beside() ? Object.keys(trees).length : 1;
      camera.shiftX += (2 * dx * panels) / canvas.clientWidth / held.size;
      camera.shiftY -= (2 * dy) / canvas.clientHeight / held.size;
      later();
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
      "+": () => zoom(1.2), "=": () => zoom(1.2), "-": () => zoom(1 / 1.2), r: reset,
    };
    if (e.ctrlKey || e.metaKey || e.altKey || !keys[e.key]) return;
    e.preventDefault();
    keys[e.key]();
  });
  root.addEventListener("click", (e) => {
    const which = e.target.dataset.view;
    if (which === "reset") reset();
    else if (which === "in") zoom(1.25);
    else if (which === "out") zoom(0.8);
    else if (views[which]) look(...views[which]);
  });
  root.addEventListener("change", (e) => {
    if (e.target.name === "beside") root.closest(".panes").classList.toggle("beside", e.target.checked);
    later();
  });
  new ResizeObserver(later).observe(canvas);
  lacaf.watch(later);
  load();
})();
