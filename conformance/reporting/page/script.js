"use strict";
(() => {
  const all = (selector, within = document) => [...within.querySelectorAll(selector)];
  const one = (id) => document.getElementById(id);
  const shows = (element, is) => { element.hidden = !is; };

  // What needs this script is only there with it.
  for (const id of ["filters", "theme", "open-all", "close-all", "case-filter"]) {
    if (one(id)) shows(one(id), true);
  }

  // Theme: that of the system until somebody chooses.
  const dark = matchMedia("(prefers-color-scheme: dark)");
  const isDark = () => (document.documentElement.dataset.theme || (dark.matches ? "dark" : "light")) === "dark";
  const label = () => { one("theme").textContent = isDark() ? "Light theme" : "Dark theme"; };
  one("theme").addEventListener("click", () => {
    document.documentElement.dataset.theme = isDark() ? "light" : "dark";
    label();
  });
  dark.addEventListener("change", label);
  label();

  // Filters: the matrix and the sections hold the same data.
  const form = one("filters");
  const rows = all("tr.row");
  const areas = all("tr.area");
  const sections = all("details.requirement");
  const matches = (element, wanted) =>
    (!wanted.verdict || element.dataset.verdicts.split(" ").includes(wanted.verdict)) &&
    (!wanted.level || element.dataset.level === wanted.level) &&
    (!wanted.actor || element.dataset.actor === wanted.actor) &&
    (!wanted.command || element.dataset.commands.split(" ").includes(wanted.command)) &&
    (!wanted.text || element.dataset.text.includes(wanted.text));
  const filter = () => {
    const wanted = Object.fromEntries(new FormData(form));
    wanted.text = wanted.text.trim().toLowerCase();
    let matching = 0;
    rows.forEach((row, at) => {
      const is = matches(row, wanted);
      shows(row, is);
      shows(sections[at], is);
      matching += is;
    });
    for (const area of areas) {
      let next = area.nextElementSibling;
      let some = false;
      while (next && next.classList.contains("row")) {
        some = some || !next.hidden;
        next = next.nextElementSibling;
      }
      shows(area, some);
    }
    one("matching").textContent = `${matching} of ${rows.length} requirements`;
  };
  form.addEventListener("input", filter);
  form.addEventListener("reset", () => setTimeout(filter));
  form.addEventListener("submit", (event) => event.preventDefault());

  one("open-all").addEventListener("click", () => sections.forEach((section) => { section.open = !section.hidden; }));
  one("close-all").addEventListener("click", () => sections.forEach((section) => { section.open = false; }));

  // A link to a requirement opens it, also one that was followed from elsewhere.
  const openTarget = () => {
    const target = one(decodeURIComponent(location.hash.slice(1)));
    if (target && target.tagName === "DETAILS") {
      shows(target, true);
      target.open = true;
      target.scrollIntoView();
    }
  };
  addEventListener("hashchange", openTarget);
  openTarget();

  // Copy buttons. Without the permission to write to the clipboard the line is selected instead.
  for (const button of all("button[data-copy]")) {
    shows(button, true);
    button.addEventListener("click", async () => {
      const source = one(button.dataset.copy);
      try {
        await navigator.clipboard.writeText(source.textContent);
        button.textContent = "Copied";
      } catch {
        getSelection().selectAllChildren(source);
        button.textContent = "Selected";
      }
      setTimeout(() => { button.textContent = "Copy"; }, 2000);
    });
  }

  // Cases: a page of rows at a time, so that thousands cost nothing.
  if (!one("case-data")) return;
  const PAGE = 100;
  const cases = JSON.parse(one("case-data").textContent);
  const body = one("case-table").tBodies[0];
  const words = cases.map((row) => `${row[0]} ${row[1]} ${row[2]}`.toLowerCase());
  let found = cases;
  let shown = 0;
  const ms = (value) => (value === null ? "" : `${value} ms`);
  const more = () => {
    const added = document.createDocumentFragment();
    for (const row of found.slice(shown, shown + PAGE)) {
      const line = added.appendChild(document.createElement("tr"));
      const cells = [row[0], row[1], row[2], row[3] || "no answer", ms(row[4]), ms(row[5])];
      cells.forEach((text, at) => {
        const cell = line.appendChild(document.createElement(at ? "td" : "th"));
        if (!at) cell.scope = "row";
        cell.textContent = text;
      });
    }
    body.append(added);
    shown = Math.min(shown + PAGE, found.length);
    shows(one("more-cases"), shown < found.length);
    one("cases-matching").textContent = `${found.length} of ${cases.length} cases, ${shown} shown`;
  };
  const search = (text) => {
    const wanted = text.trim().toLowerCase();
    found = cases.filter((_, at) => words[at].includes(wanted));
    shown = 0;
    body.replaceChildren();
    more();
  };
  shows(one("case-table"), true);
  one("more-cases").addEventListener("click", more);
  one("case-filter").addEventListener("input", (event) => search(event.target.value));
  one("case-filter").addEventListener("submit", (event) => event.preventDefault());
  for (const link of all("a[data-case]")) {
    link.addEventListener("click", () => {
      one("case-filter").elements.text.value = link.dataset.case;
      search(link.dataset.case);
    });
  }
  search("");
})();
