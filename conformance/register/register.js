(() => {
  const { all, one, shows, offerThemes, offerFilters } = controls;

  offerThemes();

  // The page was made at some time and is read later: a certificate that has expired since is no longer one.
  for (const mark of all("[data-expires]")) {
    if (Date.parse(mark.dataset.expires) <= Date.now()) {
      mark.className = "mark EXPIRED";
      mark.textContent = "expired";
      const row = mark.closest("tr[data-certificate]");
      if (row) row.dataset.certificate = "none";
    }
  }

  // A link opens what it leads to, also one that was followed from elsewhere.
  const openTarget = () => {
    const target = one(decodeURIComponent(location.hash.slice(1)));
    const folded = target && target.closest("details");
    if (folded) {
      folded.open = true;
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

  // Filters of the first page.
  const form = one("filters");
  if (!form) return;
  shows(form, true);
  const subjects = all("tr.row[data-verdict]");
  const rowsOf = new Map(subjects.map((row) => [row.dataset.subject, []]));
  for (const row of all(".row[data-subject]")) rowsOf.get(row.dataset.subject).push(row);
  const filter = () => {
    const wanted = Object.fromEntries(new FormData(form));
    const text = wanted.text.trim().toLowerCase();
    let matching = 0;
    for (const { dataset } of subjects) {
      const is = (!wanted.verdict || dataset.verdict === wanted.verdict) &&
        (!wanted.certificate || dataset.certificate === wanted.certificate) &&
        (!wanted.change || dataset.change === wanted.change) &&
        (!text || dataset.text.includes(text));
      for (const row of rowsOf.get(dataset.subject)) shows(row, is);
      matching += is;
    }
    for (const group of all(".group")) shows(group, all("tr.row[data-verdict]", group).some((row) => !row.hidden));
    one("matching").textContent = `${matching} of ${subjects.length} subjects`;
    return wanted;
  };
  offerFilters(form, filter);
})();
