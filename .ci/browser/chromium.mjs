// Chromium as all scripts here start it: that of the machine, or else the one that playwright-core has downloaded.
import { existsSync } from "node:fs";
import { delimiter, join } from "node:path";
import { chromium } from "playwright-core";

// As distributions call it; the same as in the script `install`.
const NAMES = ["chromium", "chromium-browser", "google-chrome"];

// A container's root has no sandbox and little shared memory; what Chromium asks the network of its own accord is off.
const ARGUMENTS = ["--no-sandbox", "--disable-dev-shm-usage", "--disable-gpu", "--disable-background-networking"];

export const start = () => {
  const places = NAMES.flatMap((name) => process.env.PATH.split(delimiter).map((folder) => join(folder, name)));
  const executablePath = places.find(existsSync);
  return chromium.launch({ ...(executablePath && { executablePath }), args: ARGUMENTS });
};

// Does what was asked for, each [WHAT, NAME] a function of `looks` on a page, and prints as JSON what was seen.
export const print = async (browser, looks, asked) => {
  const seen = { version: browser.version() };
  try {
    for (const [what, name] of asked) {
      seen[what] ??= {};
      seen[what][name] = await looks[what](name);
    }
  } finally {
    await browser.close();
  }
  console.log(JSON.stringify(seen));
};
