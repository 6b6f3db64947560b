// Refreshes the page without losing what is unfolded, chosen or typed, and does what the forms say.
"use strict";
const EVERY_MS = 1000;
const refreshing = document.getElementById("refreshing");

const ready = () => {
  document.querySelectorAll("form[hidden], button[data-copy][hidden]").forEach((each) => { each.hidden = false; });
};

// Replaces what may change: parts by their id, and the items of lists.
const refreshed = (fresh) => {
  for (const list of fresh.querySelectorAll("[data-list]")) {
    const here = document.getElementById(list.id);
    const ids = new Set([...list.children].map((item) => item.id));
    for (const item of [...here.children]) if (!ids.has(item.id)) item.remove();
    const known = here.firstElementChild;
    for (const item of [...list.children]) {
      if (!document.getElementById(item.id)) here.insertBefore(document.adoptNode(item), known);
    }
  }
  for (const part of fresh.querySelectorAll("[data-live]")) {
    const here = document.getElementById(part.id);
    if (here && here.innerHTML !== part.innerHTML) here.replaceChildren(...[...part.childNodes].map((node) => document.adoptNode(node)));
  }
  ready();
};

let last = "";
const refresh = async () => {
  try {
    const text = await (await fetch("/", { cache: "no-cache" })).text();
    if (text !== last) refreshed(new DOMParser().parseFromString(text, "text/html"));
    last = text;
    refreshing.textContent = "";
  } catch {
    refreshing.textContent = "· the gateway does not answer";
  }
};

const posted = async (path, content) => {
  const answer = await fetch(path, { method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(content) });
  const told = await answer.json();
  if (!answer.ok) throw new Error(told.hint ? `${told.error} (hint: ${told.hint})` : told.error);
  return told;
};

document.addEventListener("submit", async (event) => {
  event.preventDefault();
  const form = event.target;
  const said = form.querySelector("output");
  said.textContent = "…";
  try {
    if (form.id === "register") {
      await posted("/_callbacks", { [form.elements.product.value]: form.elements.url.value || null });
      said.textContent = form.elements.url.value ? "registered" : "removed";
    } else {
      const { request, product } = form.dataset;
      const told = await posted("/_notify", { request_id: request, product, kind: form.elements.kind.value });
      said.textContent = told.notifications.map((each) => each.status ?? each.reason).join(", ");
    }
  } catch (error) {
    said.textContent = error.message;
  }
  await refresh();
});

document.addEventListener("click", async (event) => {
  const button = event.target.closest("[data-copy]");
  if (!button) return;
  const source = document.getElementById(button.dataset.copy);
  try {
    await navigator.clipboard.writeText(source.textContent);
    button.textContent = "Copied";
  } catch {
    getSelection().selectAllChildren(source); // not over plain HTTP from another machine: Ctrl-C does the rest
    button.textContent = "Selected";
  }
});

ready();
setInterval(() => { if (!document.hidden) refresh(); }, EVERY_MS);
