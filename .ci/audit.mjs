// Asks the registry whether a package that we use has a known vulnerability: of what is bundled or installed with mailonce, and
// of what tests and builds it. Any fails. A registry that gives no answer (mirrors have no such endpoint)
// fails nothing, since it says nothing about us; that nothing was audited is said aloud.
import { execFile } from "node:child_process";

/** A registry that hangs must not hang CI; npm's own limit is five minutes, three times. */
const PATIENCE = ["--fetch-timeout=60000", "--fetch-retries=1"];

const say = (line) => process.stdout.write(`${line}\n`);

/** npm ends with 1 both for a vulnerability and for no answer: what it printed tells which. */
const audit = () =>
  new Promise((resolve) => {
    const command = ["audit", "--json", ...PATIENCE];
    execFile("npm", command, { maxBuffer: 2 ** 26 }, (error, stdout, stderr) => {
      try {
        resolve(JSON.parse(stdout));
      } catch {
        resolve({ error: { code: "no JSON", summary: stderr || String(error) } });
      }
    });
  });

/** One line a package; `via` names other packages where the vulnerability is in a dependency of it. */
const describe = ({ name, severity, via }) => {
  const why = via.map((one) => (typeof one === "string" ? `by ${one}` : `${one.title} ${one.url}`));
  return `  ${name} (${severity}): ${why.join("; ")}`;
};

/** @returns whether CI may go on */
function isFine(report) {
  if (report.auditReportVersion !== undefined) {
    const found = Object.values(report.vulnerabilities);
    say(`npm audit: ${found.length} vulnerable packages`);
    for (const one of found) say(describe(one));
    return found.length === 0;
  }
  // An error with a code is npm's own: no lock file, no npm. The registry's have a message only.
  if (report.error?.code) {
    say(`npm audit failed: ${report.error.code}: ${report.error.summary}`);
    return false;
  }
  say(`NOT AUDITED: npm audit got no answer from the registry: ${report.message}`);
  return true;
}

process.exitCode = isFine(await audit()) ? 0 : 1;
