// Uses the page of a mock gateway in Chromium as people do, and prints as JSON what was seen:
//
//   node partner.mjs ROOT PATH CREDENTIAL PAYLOAD [SCREENSHOTS]
//
// ROOT is the address of the page. A POST of PAYLOAD to PATH with the header `Authorization: CREDENTIAL` is a request to
// the gateway.
import { createRequire } from "node:module";
import { start } from "./chromium.mjs";

const [root, path, credential, payload, screenshots] = process.argv.slice(2);
const AXE = createRequire(import.meta.url).resolve("axe-core/axe.min.js");
const browser = await start();
const seen = { requests: [], complaints: [], violations: [], wider: [] };

// A page; what it asks of others, complains of and shows in dialogs is kept.
const opened = async (options = {}) => {
  const context = await browser.newContext({ viewport: { width: 1280, height: 900 }, ...options });
  const page = await context.newPage();
  page.on("request", (request) => { if (!/^data:/.test(request.url()) && !request.url().startsWith(`${root}/`)) seen.requests.push(request.url()); });
  page.on("console", (message) => ["error", "warning"].includes(message.type()) && seen.complaints.push(message.text()));
  page.on("pageerror", (error) => seen.complaints.push(String(error)));
  page.on("dialog", (dialog) => { seen.complaints.push(`dialog: ${dialog.message()}`); dialog.dismiss(); });
  await page.goto(`${root}/`);
  return { page, close: () => context.close() };
};
const picture = (page, name) => screenshots && page.screenshot({ path: `${screenshots}/${name}.png`, fullPage: true });
const asked = () => fetch(root + path, { method: "POST", headers: { Authorization: credential, "Content-Type": "application/json" }, body: payload });

// --- While somebody reads and types, another request comes, and all that they did stays.
const { page, close } = await opened();
const first = page.locator("#exchanges > li").first();
await first.locator("summary").click();
const id = await first.getAttribute("id");
const held = page.locator(`#${id}`);
await held.locator("select").selectOption("without-id");
await page.fill("#register [name=url]", "http://127.0.0.1:1/typed");
const before = await page.locator("#exchanges > li").count();
await asked();
await page.waitForFunction((count) => document.querySelectorAll("#exchanges > li").length > count, before);
seen.kept = {
  open: await held.locator("details").evaluate((each) => each.open),
  chosen: await held.locator("select").inputValue(),
  typed: await page.inputValue("#register [name=url]"),
  newestFirst: (await page.locator("#exchanges > li").first().getAttribute("id")) !== id,
};

// --- A notification on demand, and a callback.
const sent = await held.locator(".sent > li:not(.none)").count();
await held.locator("form button").click();
await page.waitForFunction(([of, count]) => document.querySelectorAll(`#${of} .sent > li:not(.none)`).length > count, [id, sent]);
seen.notified = await held.locator("form output").textContent();
await page.click("#register button");
await page.waitForFunction(() => document.getElementById("callback-1").textContent.includes("typed"));
seen.registered = await page.textContent("#register output");
await page.fill("#register [name=url]", "");
await page.click("#register button");
await page.waitForFunction(() => document.getElementById("callback-1").textContent === "none");
await close();

// --- Every colour scheme and width; what drives axe may come in past the page's own policy.
for (const colorScheme of ["light", "dark"]) {
  for (const width of [1280, 400, 360]) {
    const { page: shown, close: closed } = await opened({ colorScheme, viewport: { width, height: 900 }, bypassCSP: true });
    await picture(shown, `mock-${colorScheme}-${width}`);
    await shown.evaluate(() => document.querySelectorAll("details").forEach((each) => { each.open = true; }));
    await picture(shown, `mock-${colorScheme}-${width}-open`);
    seen.wider.push(await shown.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth));
    if (width === 1280) {
      await shown.addScriptTag({ path: AXE });
      const { violations } = await shown.evaluate(() => axe.run(document));
      seen.violations.push(...violations.map(({ id: rule, nodes }) => `${colorScheme} ${rule}: ${nodes[0].html.slice(0, 200)} ${nodes[0].failureSummary}`));
    }
    await closed();
  }
}
await browser.close();
console.log(JSON.stringify(seen));
