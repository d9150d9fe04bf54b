// The part of CHANGELOG.md about a version, for its release:
//
//   node packaging/release-notes.mjs v0.2.0
//
// It fails where the tag is not the version of the package, or the changelog says nothing or no day.
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";

process.chdir(fileURLToPath(new URL("..", import.meta.url)));

const [tag] = process.argv.slice(2);
const { version } = JSON.parse(readFileSync("package.json", "utf8"));
const sections = readFileSync("CHANGELOG.md", "utf8").split(/^(?=## )/m);
const [head, ...lines] = sections.find((one) => one.startsWith(`## [${version}]`))?.split("\n") ?? [];

const faults = [
  ...(tag === `v${version}` ? [] : [`the tag is ${tag}, and package.json has ${version}`]),
  ...(head === undefined
    ? [`CHANGELOG.md has no section of ${version}`]
    : / - \d{4}-\d\d-\d\d$/.test(head)
      ? []
      : [`CHANGELOG.md has no day of ${version}: ${head}`]),
];
if (faults.length > 0) {
  process.stderr.write(`${faults.join("\n")}\n`);
  process.exitCode = 1;
} else {
  process.stdout.write(`${lines.join("\n").trim()}\n`);
}
