// Reads the documentation in Chromium as people do, and prints as JSON what was seen.
//
//   node site.mjs ADDRESS [SCREENSHOTS] <<< '["index.html", …]'
//
// tests/tools/test_site_in_chromium.py says what must have been seen.
import { readFileSync } from "node:fs";
import { start } from "./chromium.mjs";

const [address, screenshots] = process.argv.slice(2);
const pages = JSON.parse(readFileSync(0, "utf8"));
const browser = await start();
const WIDTHS = [1280, 400];

// What a page asks for and complains of, with the page on which it did.
const watched = async (options, kept) => {
  const context = await browser.newContext({ permissions: ["clipboard-read", "clipboard-write"], ...options });
  const page = await context.newPage();
  const where = () => new URL(page.url()).pathname.split("/").pop();
  page.on("console", (message) => ["error", "warning"].includes(message.type()) && kept.complaints.push(`${where()}: ${message.text()}`));
  page.on("pageerror", (error) => kept.complaints.push(`${where()}: ${error}`));
  page.on("response", (response) => response.status() >= 400 && kept.failed.push(`${where()}: ${response.status()} ${response.url()}`));
  page.on("requestfailed", (request) => {
    const { errorText } = request.failure();
    if (errorText !== "net::ERR_ABORTED") kept.failed.push(`${where()}: ${errorText} ${request.url()}`); // that page was left
  });
  page.on("request", (request) => !/^(data|blob):/.test(request.url()) && !request.url().startsWith(address) && kept.outside.push(request.url()));
  return { page, close: () => context.close() };
};

const seen = { complaints: [], failed: [], outside: [], wider: [], unreachable: [] };

for (const width of WIDTHS) {
  const { page, close } = await watched({ viewport: { width, height: 900 } }, seen);
  for (const name of pages) {
    await page.goto(address + name);
    const { wider, links } = await page.evaluate(() => ({
      wider: document.documentElement.scrollWidth - document.documentElement.clientWidth,
      links: [...document.querySelectorAll("a[href]")].map((link) => link.href),
    }));
    if (wider > 0) seen.wider.push(`${name} at ${width}: ${wider}`);
    // Where a link of the site leads is a page that is opened, too.
    for (const link of links.filter((each) => each.startsWith(address))) {
      const target = link.slice(address.length).split(/[?#]/)[0];
      if (!pages.includes(target) && !target.startsWith("sample/")) seen.unreachable.push(`${name}: ${link}`);
    }
    if (screenshots) {
      for (const colorScheme of ["light", "dark"]) {
        await page.emulateMedia({ colorScheme });
        await page.screenshot({ path: `${screenshots}/${name}-${width}-${colorScheme}.png`, fullPage: true });
      }
    }
  }
  await close();
}

// By the field on the first page, as by hand.
const searched = async (word) => {
  const { page, close } = await watched({ viewport: { width: 1280, height: 900 } }, seen);
  await page.goto(`${address}index.html`);
  await page.fill("input[name=q]", word);
  await page.press("input[name=q]", "Enter");
  await page.waitForSelector("#search-results .search-summary, #search-results p");
  await page.waitForFunction(() => !/Searching|Preparing/.test(document.querySelector("#search-results h2")?.textContent ?? ""));
  const found = await page.$$eval("#search-results li > a", (links) => links.map((link) => link.getAttribute("href").split(/[?#]/)[0]));
  await close();
  return found;
};
seen.searched = await searched("canary");
seen.searchedInVain = await searched("qwertzuiop");

// A session with output: what its button puts on the clipboard.
const { page, close } = await watched({ viewport: { width: 1280, height: 900 } }, seen);
await page.goto(`${address}getting-started.html`);
const block = page.locator("div.highlight:has(button.copybtn)", { hasText: "tiny gateway at" }).first();
await block.hover();
await block.locator("button.copybtn").click();
await page.waitForFunction(() => document.querySelector("button.copybtn.success"));
seen.shown = await block.locator("pre").innerText();
seen.copied = await page.evaluate(() => navigator.clipboard.readText());
await close();

await browser.close();
process.stdout.write(JSON.stringify(seen));
