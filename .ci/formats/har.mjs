// Validates HAR files by their schema, one line for each complaint: node har.mjs FILE …; exit code 1 if there is any.
import { readFile } from "node:fs/promises";
import { har } from "har-validator/lib/promise.js";

let complaints = 0;
for (const file of process.argv.slice(2)) {
  try {
    await har(JSON.parse(await readFile(file, "utf8")));
  } catch (error) {
    for (const { dataPath, message } of error.errors ?? [error]) {
      console.log(`${file}${dataPath ?? ""}: ${message}`);
      complaints += 1;
    }
  }
}
process.exit(complaints ? 1 : 0);
