// Loads HAR files into the network panel of Chromium's developer tools, as dropping them there does, and prints what the
// panel then has, a JSON array for each: node panel.mjs FILE …
import { readFile } from "node:fs/promises";
import { start } from "./chromium.mjs";

// In the page of the developer tools: their own modules, by the paths that they have there.
const load = async (text) => {
  const { NetworkPanel } = await import("./panels/network/network.js");
  const { NetworkLog } = await import("./models/logs/logs.js");
  await NetworkPanel.NetworkPanel.instance().networkLogView.onLoadFromFile(new File([text], "traffic.har"));
  return Promise.all(
    NetworkLog.NetworkLog.instance().requests().map(async (request) => ({
      url: request.url(),
      method: request.requestMethod,
      posted: await request.requestFormData(),
      status: request.statusCode,
      content: (await request.requestContentData()).text ?? null,
      seconds: request.duration,
    })),
  );
};

const browser = await start();
for (const file of process.argv.slice(2)) {
  const page = await browser.newPage();
  await page.goto("devtools://devtools/bundled/devtools_app.html");
  console.log(JSON.stringify(await page.evaluate(load, await readFile(file, "utf8"))));
  await page.close();
}
await browser.close();
