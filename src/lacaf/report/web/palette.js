/* The choice of colours: on every page, remembered where the browser allows it. */
"use strict";
(() => {
  const root = document.documentElement;
  const list = document.querySelector("[name=palette]");
  const remembered = (value) => {
    try {
      if (value) localStorage.setItem("lacaf-palette", value);
      return localStorage.getItem("lacaf-palette");
    } catch {
      return null; // pages from a disk may be denied a memory
    }
  };
  function choose(value) {
    root.dataset.palette = list.value = value;
    document.dispatchEvent(new CustomEvent("palette"));
  }
  list.addEventListener("change", () => {
    remembered(list.value);
    choose(list.value);
  });
  const before = remembered();
  if ([...list.options].some((option) => option.value === before)) choose(before);
})();
