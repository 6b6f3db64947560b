// Opens the pages of a register in Chromium, does with them what people do, and prints as JSON what was seen.
//
//   node register.mjs [SCREENSHOTS] <<< '{"pages": {NAME: FILE}, "look": [[WHAT, NAME], …]}'
//
// Each WHAT is a function of LOOKS; tests/tools/test_register_in_browser.py says what must have been seen.
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { pathToFileURL } from "node:url";
import { print, start } from "./chromium.mjs";

const [screenshots] = process.argv.slice(2);
const { pages, look } = JSON.parse(readFileSync(0, "utf8"));
const AXE = createRequire(import.meta.url).resolve("axe-core/axe.min.js");
const NARROW = { width: 400, height: 800 };
const browser = await start();

// Opens a page; what it asks for beside files of the register, complains of and shows in dialogs is kept.
const opened = async (name, { query = "", hash = "", ...options } = {}) => {
  const context = await browser.newContext({ viewport: { width: 1280, height: 900 }, ...options });
  const page = await context.newPage();
  const kept = { requests: [], complaints: [] };
  page.on("request", (request) => {
    if (!/^(file|data):/.test(request.url())) kept.requests.push(request.url());
  });
  page.on("console", (message) => ["error", "warning"].includes(message.type()) && kept.complaints.push(message.text()));
  page.on("pageerror", (error) => kept.complaints.push(String(error)));
  page.on("dialog", (dialog) => { kept.complaints.push(`dialog: ${dialog.message()}`); dialog.dismiss(); });
  await page.goto(pathToFileURL(pages[name]).href + query + hash);
  return { page, kept, close: () => context.close() };
};

const picture = (page, name, fullPage = false) =>
  screenshots && page.screenshot({ path: `${screenshots}/${name}.png`, fullPage });
const unfold = (page) => page.evaluate(() => document.querySelectorAll("details").forEach((each) => { each.open = true; }));
const wider = (page) => page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);

const LOOKS = {
  // As it comes, and on a telephone, in both colour schemes; unfolded, what axe finds.
  async quality(name) {
    const seen = { violations: [], requests: [], complaints: [], grounds: [], wider: [], images: [], tallest: [] };
    for (const colorScheme of ["light", "dark"]) {
      for (const [size, viewport] of [["wide", { width: 1280, height: 900 }], ["narrow", NARROW]]) {
        const { page, kept, close } = await opened(name, { colorScheme, viewport });
        await picture(page, `${name}-${size}-${colorScheme}`);
        await unfold(page);
        seen.wider.push(await wider(page));
        seen.tallest.push(await page.$$eval(".frame tbody tr", (rows) => Math.max(...rows.map((row) => row.offsetHeight))));
        await close();
        seen.requests.push(...kept.requests);
        seen.complaints.push(...kept.complaints);
      }
      // axe is a script that the page does not allow.
      const { page, close } = await opened(name, { colorScheme, bypassCSP: true });
      await unfold(page);
      seen.grounds.push(await page.evaluate(() => getComputedStyle(document.body).backgroundColor));
      seen.images.push(...await page.$$eval("img", (all) => all.map((each) => each.naturalWidth > 0)));
      await page.addScriptTag({ path: AXE });
      const rules = colorScheme === "light" ? {} : { runOnly: ["color-contrast"] }; // nothing else differs
      const { violations } = await page.evaluate((only) => axe.run(document, only), rules);
      for (const { id, nodes } of violations) {
        seen.violations.push(`${colorScheme} ${id}: ${nodes.length} as ${nodes[0].html.slice(0, 200)} ${nodes[0].failureSummary}`);
      }
      await close();
    }
    return seen;
  },

  // Scrolled to the end of the first matrix, on a telephone: names and headings are still in sight.
  async sticky(name) {
    const { page, close } = await opened(name, { viewport: NARROW });
    const seen = await page.$eval(".frame", (frame) => {
      frame.scrollIntoView();
      frame.scrollTo(frame.scrollWidth, frame.scrollHeight);
      const { left, top } = frame.getBoundingClientRect();
      const first = frame.querySelector("tbody tr:last-child .first").getBoundingClientRect();
      const heading = frame.querySelector("thead th:last-child").getBoundingClientRect();
      return {
        scrolls: [frame.scrollLeft > 0, frame.scrollTop > 0],
        name: Math.round(first.left - left),
        heading: Math.round(heading.top - top),
      };
    });
    await picture(page, `${name}-scrolled`);
    await close();
    return seen;
  },

  // Each filter: the subjects that are left in the first matrices, those in the folded ones, and what is said about it.
  async filters(name) {
    const { page, close } = await opened(name);
    const left = () => page.evaluate(() => ({
      rows: [...document.querySelectorAll("tr.row[data-verdict]")].filter((row) => row.checkVisibility()).map((row) => ({ ...row.dataset })),
      folded: new Set([...document.querySelectorAll("details .row:not([hidden])")].map((row) => row.dataset.subject)).size,
      groups: [...document.querySelectorAll(".group")].filter((each) => each.checkVisibility()).length,
      said: document.getElementById("matching").textContent,
      address: location.search,
    }));
    const seen = { all: await left() };
    for (const [filter, value] of [["verdict", "non-conformant"], ["certificate", "certified"], ["change", "worse"]]) {
      await page.selectOption(`[name=${filter}]`, value);
      seen[filter] = await left();
      await page.click("#filters [type=reset]");
      await page.waitForFunction(() => !location.search);
    }
    await page.fill("[name=text]", " BAOBAB ");
    seen.text = await left();
    await page.reload();
    seen.reloaded = await left();
    await close();
    return seen;
  },

  // From a cell of the first matrix to the area on the subject's page, and on to the first page again.
  async trail(name) {
    const { page, close } = await opened(name);
    await page.locator("td.standing.FAIL a").first().click();
    const target = await page.evaluate(() => decodeURIComponent(location.hash.slice(1)));
    const open = await page.$eval(`[id="${target}"]`, (each) => each.open);
    const top = await page.$eval(`[id="${target}"]`, (each) => each.getBoundingClientRect().top);
    await picture(page, `${name}-trail`);
    await page.locator(".tool a").click();
    const title = await page.title();
    await close();
    return { open, inView: top >= -1 && top < 900, back: title };
  },

  // Every link: whether it leads to something in this page, or to a file that is there.
  async links(name) {
    const { page, close } = await opened(name);
    const hrefs = await page.$$eval("a", (links) => [...new Set(links.map((link) => link.getAttribute("href")))]);
    const dead = await page.evaluate((all) => all.filter((href) => href.startsWith("#") && !document.getElementById(decodeURIComponent(href.slice(1)))), hrefs);
    await close();
    return { dead, files: hrefs.filter((href) => !href.startsWith("#")) };
  },

  // Without JavaScript all is there to be read, and nothing that does not work.
  async unscripted(name) {
    const { page, close } = await opened(name, { javaScriptEnabled: false });
    const controls = await page.locator("button:visible, input:visible, select:visible").count();
    const text = await page.locator("body").innerText();
    const summary = await page.$("details:not([open]) > summary");
    await summary.click();
    const unfolds = await summary.evaluate((each) => each.parentElement.open);
    await close();
    return { controls, text, unfolds };
  },

  // Read when the certificate has expired.
  async later(name) {
    const { page, close } = await opened(name);
    const before = await page.$$eval(".mark", (all) => all.map((each) => each.textContent));
    await page.clock.setFixedTime(new Date("2100-01-01T00:00:00Z"));
    await page.reload();
    const after = await page.$$eval(".mark", (all) => all.map((each) => each.textContent));
    await close();
    return { before, after };
  },

  // On paper, by somebody whose system is dark: frames show all that they hold.
  async print(name) {
    const { page, close } = await opened(name, { colorScheme: "dark" });
    await page.emulateMedia({ media: "print" });
    const seen = await page.evaluate(() => ({
      ground: getComputedStyle(document.body).backgroundColor,
      scrolling: [...document.querySelectorAll(".frame")].filter((each) => each.checkVisibility() && each.scrollHeight > each.clientHeight + 1).length,
    }));
    await close();
    return seen;
  },
};

await print(browser, LOOKS, look);
