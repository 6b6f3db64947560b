(() => {
  const { all, one, shows, offerThemes, keepInAddress, offerFilters } = controls;

  // What needs this script is only there with it.
  for (const id of ["filters", "only-failures", "case-filter", "scene-filter"]) {
    if (one(id)) shows(one(id), true);
  }

  offerThemes();

  // Filters.
  const form = one("filters");
  const areas = all("details.area");
  const sections = all("details.requirement");
  const only = one("only-failures");
  const onlyFailures = () => only?.getAttribute("aria-pressed") === "true";
  const matches = (element, wanted) =>
    (!wanted.only || element.classList.contains("short")) &&
    (!wanted.verdict || element.dataset.verdicts.split(" ").includes(wanted.verdict)) &&
    (!wanted.level || element.dataset.level === wanted.level) &&
    (!wanted.actor || element.dataset.actor === wanted.actor) &&
    (!wanted.command || element.dataset.commands.split(" ").includes(wanted.command)) &&
    (!wanted.text || element.dataset.text.includes(wanted.text));
  const filter = () => {
    const wanted = Object.fromEntries(new FormData(form));
    wanted.text = wanted.text.trim().toLowerCase();
    wanted.only = onlyFailures() ? "failures" : "";
    const some = Object.values(wanted).some(Boolean);
    document.body.classList.toggle("only-failures", Boolean(wanted.only));
    let matching = 0;
    for (const area of areas) {
      let within = 0;
      for (const section of all("details.requirement", area)) {
        const is = matches(section, wanted);
        shows(section, is);
        within += is;
      }
      shows(area, within > 0);
      area.open = some || area.classList.contains("short");
      for (const others of all("details.others", area)) {
        shows(others, all("details.requirement", others).some((section) => !section.hidden));
        others.open = some;
      }
      matching += within;
    }
    one("matching").textContent = `${matching} of ${sections.length} requirements`;
    return wanted;
  };
  if (only && new URLSearchParams(location.search).has("only")) only.setAttribute("aria-pressed", "true");
  offerFilters(form, filter);
  only?.addEventListener("click", () => {
    only.setAttribute("aria-pressed", String(!onlyFailures()));
    keepInAddress(filter());
    searchScenes();
    searchCases();
  });
  const foldable = all(".matrix details:is(.area, .others, .requirement)");
  one("open-all").addEventListener("click", () => foldable.forEach((each) => { each.open = !each.hidden; }));
  one("close-all").addEventListener("click", () => foldable.forEach((each) => { each.open = false; }));

  // Copy buttons. Without the permission to write to the clipboard the text is selected instead.
  for (const each of all(".copy")) shows(each, true);
  for (const button of all("button[data-copy]")) {
    const label = button.textContent;
    shows(button, true);
    button.addEventListener("click", async () => {
      const source = one(button.dataset.copy);
      try {
        await navigator.clipboard.writeText(source.textContent);
        button.textContent = "Copied";
      } catch {
        shows(source, true);
        for (let at = source.closest("details"); at; at = at.parentElement.closest("details")) at.open = true;
        getSelection().selectAllChildren(source);
        button.textContent = "Selected";
      }
      one("copied").textContent = button.textContent;
      setTimeout(() => { button.textContent = label; }, 2000);
    });
  }

  // The transcript of a client.
  const scenes = all("details.scene");
  let searchScenes = () => {};
  if (one("scene-filter")) {
    searchScenes = () => {
      const wanted = Object.fromEntries(new FormData(one("scene-filter")));
      const text = wanted.text.trim().toLowerCase();
      let matching = 0;
      for (const scene of scenes) {
        const is = (!(wanted.short || onlyFailures()) || scene.classList.contains("short")) &&
          (!text || scene.textContent.toLowerCase().includes(text));
        shows(scene, is);
        matching += is;
      }
      const passed = one("passed-scenes");
      if (passed) {
        shows(passed, all("details.scene", passed).some((scene) => !scene.hidden));
        passed.open = text !== "";
      }
      one("scenes-matching").textContent = `${matching} of ${scenes.length} scenes`;
    };
    one("scene-filter").addEventListener("input", searchScenes);
    if (onlyFailures()) searchScenes();
    one("scene-filter").addEventListener("submit", (event) => event.preventDefault());
  }

  // Cases: a page of rows at a time, so that thousands cost nothing.
  let showCase = () => {};
  let searchCases = () => {};
  if (one("case-data")) {
    const FIRST = 20;
    const PAGE = 200;
    const cases = JSON.parse(one("case-data").textContent);
    const body = one("case-table").tBodies[0];
    const words = cases.map((row) => `${row[0]} ${row[1]} ${row[2]} ${row[7].join(" ")}`.toLowerCase());
    let found = cases;
    let shown = 0;
    const ms = (value) => (value === null ? "" : `${value} ms`);
    const more = () => {
      const added = document.createDocumentFragment();
      const next = shown ? shown + PAGE : FIRST;
      for (const row of found.slice(shown, next)) {
        const line = added.appendChild(document.createElement("tr"));
        line.id = `case-${row[6]}`;
        const cells = [row[0], row[1], row[2], row[3] || "no answer", ms(row[4]), ms(row[5]), ""];
        cells.forEach((text, at) => {
          const cell = line.appendChild(document.createElement(at ? "td" : "th"));
          if (!at) cell.scope = "row";
          if (at === 4 || at === 5) cell.className = "number";
          if (!at && row[8]) {
            const link = cell.appendChild(document.createElement("a"));
            link.href = `#${row[8]}`;
            link.textContent = text;
          } else {
            cell.textContent = text;
          }
        });
        for (const id of row[7]) {
          const link = line.lastChild.appendChild(document.createElement("a"));
          link.href = `#${id}`;
          link.textContent = id;
          link.after(" ");
        }
      }
      body.append(added);
      shown = Math.min(next, found.length);
      shows(one("more-cases"), shown < found.length);
      one("cases-matching").textContent = `${found.length} of ${cases.length} cases, ${shown} shown`;
    };
    const search = (text) => {
      const wanted = text.trim().toLowerCase();
      found = cases.filter((row, at) => words[at].includes(wanted) && (row[7].length || !onlyFailures()));
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
    searchCases = () => search(one("case-filter").elements.text.value);
    one("more-cases").addEventListener("click", more);
    one("case-filter").addEventListener("input", searchCases);
    one("case-filter").addEventListener("submit", (event) => event.preventDefault());
    searchCases();
  }

  // A link opens what it leads to, also one that was followed from elsewhere.
  const openTarget = () => {
    const id = decodeURIComponent(location.hash.slice(1));
    showCase(id);
    const target = one(id);
    if (!target) return;
    const folded = target.closest("details");
    for (let at = folded; at; at = at.parentElement.closest("details")) {
      shows(at, true);
      at.open = true;
    }
    if (folded || id.startsWith("case-")) target.scrollIntoView();
  };
  addEventListener("hashchange", openTarget);
  openTarget();

  // For browsers that cannot unfold by style alone.
  addEventListener("beforeprint", () => all("details.short, .requirement.short details, .scene.short details, .problem details").forEach((details) => { details.open = true; }));
})();
