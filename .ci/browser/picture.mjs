// Takes pictures of a page: node picture.mjs FILE LIGHT.png DARK.png
import { pathToFileURL } from "node:url";
import { start } from "./chromium.mjs";

const [file, light, dark] = process.argv.slice(2);
const browser = await start();
try {
  for (const [colorScheme, path] of [["light", light], ["dark", dark]]) {
    const page = await browser.newPage({ viewport: { width: 1100, height: 960 }, colorScheme });
    await page.goto(pathToFileURL(file).href);
    await page.screenshot({ path });
    await page.close();
  }
} finally {
  await browser.close();
}
