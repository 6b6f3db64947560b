// Opens report pages in Chromium, does with them what people do, and prints as JSON what was seen.
//
//   node look.mjs [SCREENSHOTS] <<< '{"pages": {NAME: FILE}, "look": [[WHAT, NAME], …]}'
//
// Each WHAT is a function of LOOKS; tests/tools/test_browser.py says
// what must have been seen.
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { pathToFileURL } from "node:url";
import { print, start } from "./chromium.mjs";

const [screenshots] = process.argv.slice(2);
const { pages, look } = JSON.parse(readFileSync(0, "utf8"));
const AXE = createRequire(import.meta.url).resolve("axe-core/axe.min.js");
const A4 = { width: 718, height: 1000 }; // less margins, in CSS pixels
const browser = await start();

// Opens a page; what it asks for, complains of and shows in dialogs is kept.
const opened = async (name, { hash = "", query = "", ...options } = {}) => {
  const context = await browser.newContext({ viewport: { width: 1280, height: 900 }, ...options });
  const page = await context.newPage();
  const kept = { requests: [], complaints: [] };
  const address = pathToFileURL(pages[name]).href;
  page.on("request", (request) => {
    const url = request.url().split(/[?#]/)[0];
    if (url !== address && !url.startsWith("data:")) kept.requests.push(request.url());
  });
  page.on("console", (message) => ["error", "warning"].includes(message.type()) && kept.complaints.push(message.text()));
  page.on("pageerror", (error) => kept.complaints.push(String(error)));
  page.on("dialog", (dialog) => { kept.complaints.push(`dialog: ${dialog.message()}`); dialog.dismiss(); });
  await page.goto(address + query + hash);
  return { page, kept, close: () => context.close() };
};

const picture = (page, name) => screenshots && page.screenshot({ path: `${screenshots}/${name}.png` });

const LOOKS = {
  // Unfolded, in both colour schemes: what axe finds, which colours there are. Of scenes and requirements without
  // failures, which are all alike, a few are unfolded, for axe takes its time.
  async quality(name) {
    const seen = { violations: [], requests: [], complaints: [], grounds: [] };
    for (const colorScheme of ["light", "dark"]) {
      const { page, kept, close } = await opened(name, { colorScheme });
      await picture(page, `${name}-${colorScheme}`);
      await page.evaluate(() => document.querySelectorAll("details").forEach((each) => {
        each.open = !each.closest(".scene ~ .scene ~ .scene ~ .scene:not(.short), .area ~ .area ~ .area .requirement:not(.short)");
      }));
      await page.addScriptTag({ path: AXE });
      const rules = colorScheme === "light" ? {} : { runOnly: ["color-contrast"] }; // nothing else differs
      const { violations } = await page.evaluate((only) => axe.run(document, only), rules);
      for (const { id, nodes } of violations) {
        seen.violations.push(`${colorScheme} ${id}: ${nodes.length} as ${nodes[0].html.slice(0, 200)} ${nodes[0].failureSummary}`);
      }
      seen.grounds.push(await page.evaluate(() => getComputedStyle(document.body).backgroundColor));
      seen.requests.push(...kept.requests);
      seen.complaints.push(...kept.complaints);
      await close();
    }
    return seen;
  },

  // The button changes the theme, whatever the system has.
  async theme(name) {
    const { page, close } = await opened(name, { colorScheme: "dark" });
    const ground = () => page.evaluate(() => getComputedStyle(document.body).backgroundColor);
    const before = await ground();
    const label = await page.textContent("#theme");
    await page.click("#theme");
    const after = await ground();
    await close();
    return { before, label, after };
  },

  // Each filter by itself: which requirements are left in the matrix and below it, and what is said about it.
  async filters(name) {
    const { page, close } = await opened(name);
    const left = async () => page.evaluate(() => ({
      rows: [...document.querySelectorAll("details.requirement")].filter((row) => !row.hidden).map((row) => ({ ...row.dataset })),
      visible: [...document.querySelectorAll("details.requirement")].filter((row) => row.checkVisibility()).length,
      areas: [...document.querySelectorAll("details.area")].filter((each) => each.checkVisibility()).length,
      said: document.getElementById("matching").textContent,
      address: location.search,
    }));
    const seen = { all: await left() };
    for (const [filter, value] of [["verdict", "FAIL"], ["level", "SHOULD"], ["actor", "account"], ["command", "sms"]]) {
      const values = await page.$$eval(`[name=${filter}] option`, (options) => options.map((option) => option.value));
      await page.selectOption(`[name=${filter}]`, values.includes(value) ? value : values[1]);
      seen[filter] = { ...(await left()), value: values.includes(value) ? value : values[1] };
      await page.click("#filters [type=reset]");
      await page.waitForFunction((said) => document.getElementById("matching").textContent === said, seen.all.said);
    }
    await page.fill("#filters [name=text]", "  Result_Code ");
    seen.text = await left();
    await page.selectOption("[name=verdict]", "PASS");
    seen.both = await left();
    await page.reload();
    seen.reloaded = await left();
    await page.click("#filters [type=reset]");
    await page.waitForFunction((said) => document.getElementById("matching").textContent === said, seen.all.said);
    await page.click("#only-failures");
    seen.only = { ...(await left()), failed: await page.locator("details.requirement.short").count() };
    seen.only.cases = await page.$$eval("#case-table tbody tr", (rows) => rows.filter((row) => !row.lastChild.textContent).length);
    await close();
    return seen;
  },

  // Every link within the page, followed: whether there is something that can be seen.
  async links(name) {
    const { page, close } = await opened(name);
    const hashes = await page.$$eval("a", (links) => [...new Set(links.map((link) => link.getAttribute("href")))]);
    const dead = [];
    for (const hash of hashes) {
      const found = await page.evaluate(async (target) => {
        location.hash = target;
        await new Promise((done) => setTimeout(done));
        return document.getElementById(decodeURIComponent(target.slice(1)))?.checkVisibility() ?? false;
      }, hash);
      if (!found) dead.push(hash);
    }
    await close();
    return { followed: hashes.length, outside: hashes.filter((hash) => !hash.startsWith("#")), dead };
  },

  // From a problem to the requirement, its finding, and the case.
  async trail(name) {
    const { page, close } = await opened(name);
    const inView = (selector) => page.$eval(selector, (element) => {
      const { top } = element.getBoundingClientRect();
      return element.checkVisibility() && top >= -1 && top < innerHeight;
    });
    await page.click("#close-all");
    const failure = page.locator(".problem.FAIL h3 a").first();
    const target = await failure.getAttribute("href");
    await failure.click();
    await page.waitForFunction((id) => document.getElementById(id).open, target.slice(1));
    const requirement = { target, inView: await inView(target), heading: await page.locator(`${target} h4`).first().textContent() };
    await picture(page, `${name}-requirement`);
    const link = page.locator(`${target} article .where a`).first();
    const place = await link.getAttribute("href");
    const text = await link.textContent();
    await link.click();
    await page.waitForSelector(place);
    const seen = { requirement, case: text, inView: await inView(place), shown: await page.textContent(place) };
    await picture(page, `${name}-case`);
    await close();
    return seen;
  },

  // A link that somebody was sent, to a folded requirement that a filter hides.
  async sent(name) {
    const { page, close } = await opened(name, { query: "?verdict=FAIL", hash: "#ENC-01" });
    const seen = await page.$eval("#ENC-01", (details) => ({ open: details.open, visible: details.checkVisibility() }));
    await close();
    return seen;
  },

  // Copy buttons: what the clipboard holds then; and without a clipboard, what is selected.
  async copying(name) {
    const { page, close } = await opened(name, { permissions: ["clipboard-read", "clipboard-write"] });
    await page.click("#open-all");
    const seen = { copied: [], shown: [], selected: "" };
    const buttons = await page.$$("button[data-copy]");
    for (const button of [...buttons.slice(0, 12), buttons.at(-1)]) {
      await button.click();
      await page.waitForFunction((each) => each.textContent === "Copied", button);
      seen.copied.push(await page.evaluate(() => navigator.clipboard.readText()));
      seen.shown.push(await button.evaluate((each) => document.getElementById(each.dataset.copy).textContent));
    }
    seen.said = await page.textContent("#copied");
    await page.evaluate(() => Object.defineProperty(navigator, "clipboard", { value: undefined }));
    const last = page.locator("button[data-copy]").last();
    await last.click();
    await page.waitForFunction(() => document.getElementById("copied").textContent === "Selected");
    seen.selected = await page.evaluate(() => getSelection().toString());
    await close();
    return seen;
  },

  // From the address bar through the page by Tab: what is reached, what is not, and whether the focus shows.
  async keyboard(name) {
    const { page, close } = await opened(name);
    const reachable = await page.evaluate(() => {
      const able = "a[href], button, input, select, summary, [tabindex='0']";
      const elements = [...document.querySelectorAll(able)].filter((each) => each.checkVisibility({ visibilityProperty: true }));
      elements.forEach((each, number) => { each.dataset.number = number; });
      return elements.map((each) => each.outerHTML.slice(0, 120));
    });
    const reached = new Set();
    const unmarked = [];
    for (let presses = 0; presses < reachable.length + 5; presses += 1) {
      await page.keyboard.press("Tab");
      const at = await page.evaluate(() => {
        const { outlineStyle, outlineWidth } = getComputedStyle(document.activeElement);
        const marked = outlineStyle !== "none" && parseFloat(outlineWidth) >= 2;
        return { number: document.activeElement.dataset.number, marked, html: document.activeElement.outerHTML.slice(0, 120) };
      });
      if (at.number === undefined || reached.has(at.number)) break;
      reached.add(at.number);
      if (!at.marked) unmarked.push(at.html);
    }
    await close();
    return { number: reachable.length, missed: reachable.filter((_, number) => !reached.has(String(number))), unmarked };
  },

  // The same things as with a mouse: skip, choose, unfold, follow.
  async keys(name) {
    const { page, close } = await opened(name);
    const seen = {};
    const focused = () => page.evaluate(() => document.activeElement.textContent.trim().slice(0, 60) || document.activeElement.name);
    await page.keyboard.press("Tab");
    seen.first = await focused();
    await page.keyboard.press("Enter");
    seen.skippedTo = await page.evaluate(() => location.hash);
    await page.keyboard.press("Tab");
    seen.afterSkip = await page.evaluate(() => document.activeElement.name);
    await page.keyboard.press("F"); // chooses the option that begins so
    seen.chosen = await page.inputValue("[name=verdict]");
    seen.matching = await page.textContent("#matching");
    const summary = await page.$("details.requirement.short:not([hidden]) > summary");
    await summary.focus();
    await page.keyboard.press("Enter");
    seen.unfolded = await summary.evaluate((each) => each.parentElement.open);
    await page.keyboard.press("Space");
    seen.folded = !(await summary.evaluate((each) => each.parentElement.open));
    await page.locator(".problem.FAIL h3 a").first().focus();
    await page.keyboard.press("Enter");
    seen.followed = await page.evaluate(() => location.hash);
    await page.locator("#theme").focus();
    await page.keyboard.press("Space");
    seen.theme = await page.evaluate(() => document.documentElement.dataset.theme);
    await close();
    return seen;
  },

  // On paper, by somebody whose system is dark: what fell short is there whole, though it was folded.
  async print(name) {
    const { page, close } = await opened(name, { colorScheme: "dark", viewport: A4 });
    await page.click("#close-all");
    await page.evaluate(() => document.querySelectorAll("details[open]").forEach((each) => { each.open = false; }));
    await page.emulateMedia({ media: "print" });
    const seen = await page.evaluate(() => {
      const { scrollWidth, clientWidth } = document.documentElement;
      const all = [...document.querySelectorAll("body *")];
      const visible = (each) => each.checkVisibility();
      return {
        ground: getComputedStyle(document.body).backgroundColor,
        findings: document.querySelectorAll(".finding").length,
        folded: [...document.querySelectorAll(":is(.finding, .problem), :is(.finding, .problem) pre:not([hidden]), .scene.short pre")].filter((each) => !visible(each)).length,
        wider: scrollWidth - clientWidth,
        cut: all.filter((each) => visible(each) && !each.matches(".sr, .words, .column, svg *, .track *, option") &&
          getComputedStyle(each).overflow !== "visible" && !each.matches(".strip, .share, svg") &&
          (each.scrollWidth > each.clientWidth + 1 || each.scrollHeight > each.clientHeight + 1)).map((each) => each.outerHTML.slice(0, 120)),
        buttons: [...document.querySelectorAll("button, form")].filter(visible).length,
      };
    });
    await picture(page, `${name}-print`);
    const pdf = await page.pdf({ format: "A4", printBackground: true });
    seen.pdf = { begins: pdf.subarray(0, 5).toString(), bytes: pdf.length, pages: pdf.toString("latin1").match(/\/Type\s*\/Page\b/g).length };
    await close();
    return seen;
  },

  // Milliseconds from the address to a page that has answered to a filter, of several visits, for the machine may be
  // busy; and to the end of a search among its cases.
  async speed(name) {
    const seen = { usable: [], searched: [], complaints: [] };
    for (let visit = 0; visit < 3; visit += 1) {
      const begun = Date.now();
      const { page, kept, close } = await opened(name);
      const all = await page.textContent("#matching");
      await page.selectOption("[name=level]", "SHOULD");
      await page.waitForFunction((said) => document.getElementById("matching").textContent !== said, all);
      seen.usable.push(Date.now() - begun);
      seen.cases = await page.textContent("#cases-matching");
      const since = Date.now();
      await page.fill("#case-filter [name=text]", "no such case");
      await page.waitForFunction(() => document.getElementById("cases-matching").textContent.startsWith("0 of"));
      seen.searched.push(Date.now() - since);
      seen.complaints.push(...kept.complaints);
      await close();
    }
    return seen;
  },

  // Without JavaScript all is there to be read, and nothing that does not work.
  async unscripted(name) {
    const { page, close } = await opened(name, { javaScriptEnabled: false });
    const controls = await page.locator("button:visible, input:visible, select:visible").count();
    const text = await page.locator("body").innerText();
    const summary = await page.$("details:not([open]) > summary");
    await summary.click();
    const unfolds = await summary.evaluate((each) => each.parentElement.open);
    const hashes = await page.$$eval("a", (links) => links.map((link) => link.getAttribute("href")));
    const dead = await page.evaluate((all) => all.filter((hash) => !document.getElementById(hash.slice(1))), hashes);
    await picture(page, `${name}-unscripted`);
    await close();
    return { controls, text, unfolds, dead };
  },

  // On a telephone nothing is wider than the screen but what scrolls by itself.
  async narrow(name) {
    const { page, close } = await opened(name, { viewport: { width: 360, height: 740 } });
    await page.evaluate(() => document.querySelectorAll("details").forEach((each) => { each.open = true; }));
    const wider = await page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
    await picture(page, `${name}-narrow`);
    await close();
    return { wider };
  },

  // How high the page is, on a desktop and on a telephone, as it opens.
  async height(name) {
    const seen = {};
    for (const width of [1280, 400]) {
      const { page, close } = await opened(name, { viewport: { width, height: 900 } });
      seen[width] = await page.evaluate(() => document.documentElement.scrollHeight);
      await picture(page, `${name}-${width}`);
      await close();
    }
    return seen;
  },

  // The same example of a failure and of one that passed, opened.
  async examples(name) {
    const { page, close } = await opened(name);
    await page.click("#open-all");
    const shown = async (selector) => {
      const evidence = page.locator(selector).first();
      await evidence.locator("summary").first().click();
      return evidence.locator(".messages .head").allTextContents();
    };
    const seen = { failed: await shown(".problem details.evidence"), passed: await shown(".requirement.PASS details.evidence") };
    const link = page.locator("#case-table tbody th a").first();
    await page.fill("#case-filter [name=text]", "valid/sample/1");
    const target = await link.getAttribute("href");
    await link.click();
    await page.waitForFunction((id) => document.getElementById(id.slice(1)).open, target);
    seen.opened = await page.locator(target).evaluate((each) => each.checkVisibility());
    await close();
    return seen;
  },

  // The transcript of a client, filtered.
  async transcript(name) {
    const { page, close } = await opened(name, { hash: "#transcript" });
    const visible = () => page.$$eval("details.scene", (all) => all.filter((each) => !each.hidden).length);
    const seen = { all: await visible() };
    seen.groups = await page.$$eval("#transcript ~ :is(h3, details) , #transcript ~ details > summary h3", (all) => all.map((each) => each.matches("details.scene") ? each.className : each.textContent));
    await page.check("#scene-filter [name=short]");
    seen.short = await visible();
    seen.said = await page.textContent("#scenes-matching");
    const first = page.locator("details.scene:visible").first();
    await first.locator("summary").first().click();
    seen.speakers = await first.locator(".lines > li").evaluateAll((lines) => lines.map((line) => line.className));
    seen.beside = await first.locator("aside").innerText();
    await first.scrollIntoViewIfNeeded();
    await picture(page, `${name}-scene`);
    await page.uncheck("#scene-filter [name=short]");
    await page.fill("#scene-filter [name=text]", "HTML page and 502");
    seen.searched = await page.$$eval("details.scene", (all) => all.filter((each) => each.checkVisibility()).map((each) => each.querySelector("strong").textContent));
    await close();
    return seen;
  },
};

await print(browser, LOOKS, look);
