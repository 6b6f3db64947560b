"use strict";
// The controls that a report and a register have in common; each page's own script follows in the same element.
const controls = (() => {
  const all = (selector, within = document) => [...within.querySelectorAll(selector)];
  const one = (id) => document.getElementById(id);
  const shows = (element, is) => { element.hidden = !is; };

  // Theme: that of the system until somebody chooses.
  const offerThemes = () => {
    const dark = matchMedia("(prefers-color-scheme: dark)");
    const isDark = () => (document.documentElement.dataset.theme || (dark.matches ? "dark" : "light")) === "dark";
    const label = () => { one("theme").textContent = isDark() ? "Light theme" : "Dark theme"; };
    one("theme").addEventListener("click", () => {
      document.documentElement.dataset.theme = isDark() ? "light" : "dark";
      label();
    });
    dark.addEventListener("change", label);
    label();
    shows(one("theme"), true);
  };

  // Filters are in the address, so that they can be passed on.
  const keepInAddress = (wanted) => {
    const query = new URLSearchParams(Object.entries(wanted).filter(([, value]) => value)).toString();
    try {
      history.replaceState(null, "", `${location.pathname}${query && "?"}${query}${location.hash}`);
    } catch {
      // A browser may forbid it for files; the filters work all the same.
    }
  };

  // Has a form filter the page, first by the address; `filter` returns what it filtered by.
  const offerFilters = (form, filter) => {
    for (const [name, value] of new URLSearchParams(location.search)) {
      if (form.elements[name]) form.elements[name].value = value;
    }
    if (location.search) filter();
    form.addEventListener("input", () => keepInAddress(filter()));
    form.addEventListener("reset", () => setTimeout(() => keepInAddress(filter())));
    form.addEventListener("submit", (event) => event.preventDefault());
  };

  return { all, one, shows, offerThemes, keepInAddress, offerFilters };
})();
