// Checks that the libraries in page/vendor are those of npm, byte for byte; `--write` copies them.
//
// Preact's hooks name Preact as npm's packages name each other. Browsers want an address there, so
// that one word differs.
import { copyFileSync, readFileSync, writeFileSync } from "node:fs";
import { createHash } from "node:crypto";

const here = new URL("../", import.meta.url);
const COPIED = [
  ["preact/dist/preact.mjs", "preact.js"],
  ["preact/hooks/dist/hooks.mjs", "hooks.js"],
  ["htm/dist/htm.module.js", "htm.js"],
];
const LICENCES = [["preact/LICENSE", "LICENCE-preact.txt"], ["htm/LICENSE", "LICENCE-htm.txt"]];

/** Without the address of a map that is not here, and with addresses for names. */
function adapted(text) {
  return text.replace(/\n?\/\/# sourceMappingURL=.*\n?$/, "\n").replace(/from ?["']preact["']/, 'from"./preact.js"');
}

let isRight = true;
for (const [from, to] of COPIED) {
  const wanted = adapted(readFileSync(new URL(`node_modules/${from}`, here), "utf8"));
  const path = new URL(`page/vendor/${to}`, here);
  if (process.argv.includes("--write")) writeFileSync(path, wanted);
  const same = readFileSync(path, "utf8") === wanted;
  const sum = createHash("sha256").update(wanted).digest("hex");
  console.log(`${same ? "as on npm" : "DIFFERS"}  ${to}  ${wanted.length} bytes  sha256 ${sum}`);
  isRight &&= same;
}
for (const [from, to] of LICENCES) {
  const [source, path] = [new URL(`node_modules/${from}`, here), new URL(`page/vendor/${to}`, here)];
  if (process.argv.includes("--write")) copyFileSync(source, path);
  isRight &&= readFileSync(source, "utf8") === readFileSync(path, "utf8");
}
process.exitCode = isRight ? 0 : 1;
