/* The controls of a case's page: which labels, errors or not, which error to look at. */
"use strict";
(() => {
  const { data, view, change } = lacaf;
  const controls = document.getElementById("controls");
  if (!controls) return;
  const buttons = [...document.querySelectorAll("[data-mistake]")];
  const all = (name) => [...controls.querySelectorAll(`[name=${name}]`)];

  controls.addEventListener("change", ({ target }) => {
    if (target.name === "set") change({ set: target.value, mistake: null });
    else if (target.name === "marking") change({ marking: target.checked });
    else if (target.name === "shown") change({ shown: target.checked });
    else if (target.name === "window") change({ window: target.value });
    else if (target.name === "class") {
      change({ classes: new Set(all("class").filter((box) => box.checked).map((box) => box.value)) });
    }
  });
  controls.addEventListener("input", ({ target }) => {
    if (target.name === "opacity") change({ opacity: Number(target.value) / 100 });
  });

  function show(number) {
    const button = buttons[number];
    if (!button) return;
    const { run, at } = button.dataset;
    change({ at: at.split(",").map(Number), set: run, marking: true, shown: true, mistake: number });
    history.replaceState(null, "", `#${button.id}`);
  }
  buttons.forEach((button, number) => button.addEventListener("click", () => {
    show(number);
    const panes = document.querySelector(".panes");
    if (panes.getBoundingClientRect().bottom < 80 || panes.getBoundingClientRect().top > innerHeight - 80) {
      panes.scrollIntoView({ block: "start" });
    }
  }));
  function step(by) {
    const own = buttons.flatMap((button, n) => (button.dataset.run === view.set ? [n] : []));
    const list = own.length ? own : buttons.map((_, n) => n);
    const now = list.indexOf(view.mistake);
    const next = list[(now < 0 ? (by > 0 ? 0 : list.length - 1) : now + by + list.length) % list.length];
    show(next);
  }

  lacaf.watch(() => {
    all("set").forEach((box) => { box.checked = box.value === view.set; });
    all("marking").forEach((box) => { box.checked = view.marking; });
    all("shown").forEach((box) => { box.checked = view.shown; });
    buttons.forEach((button, n) => button.toggleAttribute("aria-current", n === view.mistake));
    if (view.mistake !== null) buttons[view.mistake].scrollIntoView({ block: "nearest" });
  });

  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.target.matches("select, input:not([type=radio]):not([type=checkbox]):not([type=range])")) return;
    const number = Number.parseInt(event.key, 10);
    if (number === 0) change({ set: "", mistake: null });
    else if (data.sets[number - 1]) change({ set: data.sets[number - 1].key, mistake: null });
    else if (event.key === "e" && data.judged) change({ marking: !view.marking });
    else if (event.key === "o") change({ shown: !view.shown });
    else if (event.key === "n" && buttons.length) step(1);
    else if (event.key === "p" && buttons.length) step(-1);
    else return;
    event.preventDefault();
  });

  const named = () => buttons.findIndex((button) => `#${button.id}` === location.hash);
  addEventListener("hashchange", () => show(named()));
  change({});
  if (named() >= 0) show(named());
})();
