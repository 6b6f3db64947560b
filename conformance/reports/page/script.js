"use strict";
(() => {
  const all = (selector, within = document) => [...within.querySelectorAll(selector)];
  const one = (id) => document.getElementById(id);
  const shows = (element, is) => { element.hidden = !is; };

  // What needs this script is only there with it.
  for (const id of ["filters", "theme", "open-all", "close-all", "case-filter", "scene-filter"]) {
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

  // Filters: the matrix and the sections hold the same data. The address keeps them, so that they can be passed on.
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
    return wanted;
  };
  const keep = (wanted) => {
    const query = new URLSearchParams(Object.entries(wanted).filter(([, value]) => value)).toString();
    try {
      history.replaceState(null, "", `${location.pathname}${query && "?"}${query}${location.hash}`);
    } catch {
      // A browser may forbid it for files; the filters work all the same.
    }
  };
  for (const [name, value] of new URLSearchParams(location.search)) {
    if (form.elements[name]) form.elements[name].value = value;
  }
  if (location.search) filter();
  form.addEventListener("input", () => keep(filter()));
  form.addEventListener("reset", () => setTimeout(() => keep(filter())));
  form.addEventListener("submit", (event) => event.preventDefault());

  one("open-all").addEventListener("click", () => sections.forEach((section) => { section.open = !section.hidden; }));
  one("close-all").addEventListener("click", () => sections.forEach((section) => { section.open = false; }));

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
      one("copied").textContent = button.textContent;
      setTimeout(() => { button.textContent = "Copy"; }, 2000);
    });
  }

  // The transcript of a client.
  const scenes = all("details.scene");
  if (one("scene-filter")) {
    const search = () => {
      const wanted = Object.fromEntries(new FormData(one("scene-filter")));
      const text = wanted.text.trim().toLowerCase();
      let matching = 0;
      for (const scene of scenes) {
        const is = (!wanted.short || scene.classList.contains("short")) && (!text || scene.textContent.toLowerCase().includes(text));
        shows(scene, is);
        matching += is;
      }
      one("scenes-matching").textContent = `${matching} of ${scenes.length} scenes`;
    };
    one("scene-filter").addEventListener("input", search);
    one("scene-filter").addEventListener("submit", (event) => event.preventDefault());
  }

  // Cases: a page of rows at a time, so that thousands cost nothing.
  let showCase = () => {};
  if (one("case-data")) {
    const PAGE = 100;
    const cases = JSON.parse(one("case-data").textContent);
    const body = one("case-table").tBodies[0];
    const words = cases.map((row) => `${row[0]} ${row[1]} ${row[2]} ${row[7].join(" ")}`.toLowerCase());
    let found = cases;
    let shown = 0;
    const ms = (value) => (value === null ? "" : `${value} ms`);
    const more = () => {
      const added = document.createDocumentFragment();
      for (const row of found.slice(shown, shown + PAGE)) {
        const line = added.appendChild(document.createElement("tr"));
        line.id = `case-${row[6]}`;
        const cells = [row[0], row[1], row[2], row[3] || "no answer", ms(row[4]), ms(row[5]), ""];
        cells.forEach((text, at) => {
          const cell = line.appendChild(document.createElement(at ? "td" : "th"));
          if (!at) cell.scope = "row";
          if (at === 4 || at === 5) cell.className = "number";
          cell.textContent = text;
        });
        for (const id of row[7]) {
          const link = line.lastChild.appendChild(document.createElement("a"));
          link.href = `#${id}`;
          link.textContent = id;
          link.after(" ");
        }
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
    showCase = (id) => {
      const row = id.startsWith("case-") && cases.find((each) => `case-${each[6]}` === id);
      if (!row) return;
      one("case-filter").elements.text.value = row[0];
      search(row[0]);
    };
    one("more-cases").addEventListener("click", more);
    one("case-filter").addEventListener("input", (event) => search(event.target.value));
    one("case-filter").addEventListener("submit", (event) => event.preventDefault());
    search("");
  }

  // A link opens what it leads to, also one that was followed from elsewhere.
  const openTarget = () => {
    const id = decodeURIComponent(location.hash.slice(1));
    showCase(id);
    const target = one(id);
    if (!target) return;
    const folded = target.closest("details");
    if (folded) {
      shows(folded, true);
      folded.open = true;
    }
    if (folded || id.startsWith("case-")) target.scrollIntoView();
  };
  addEventListener("hashchange", openTarget);
  openTarget();

  // For browsers that cannot unfold by style alone.
  addEventListener("beforeprint", () => all("details.short").forEach((details) => { details.open = true; }));
})();
