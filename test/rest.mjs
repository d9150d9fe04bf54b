// All groups but the one of `npm test`, in two lanes side by side: one waits for leases, kills and syncs and leaves the
// processors idle, the other keeps them busy and gives way.
//
//   npm run test:rest [-- --reports FOLDER] [--nodes]    FOLDER gets a report of vitest in JSON for each lane; --nodes runs
//                                                        test:nodes too, once the first lane has ended
import { spawn } from "node:child_process";
import { once } from "node:events";
import { setPriority } from "node:os";
import { parseArgs } from "node:util";

const { values } = parseArgs({ options: { reports: { type: "string" }, nodes: { type: "boolean" } } });

const LANES = [
  // Real time is measured in these.
  { name: "punctual", groups: ["engines", "crash"], niceness: 0 },
  {
    name: "busy",
    groups: [
      "access",
      "damage",
      "upgrade",
      "operate",
      "browser",
      "hostile",
      "peers",
      "integrations",
      "receivers",
      "simulation",
      "release",
    ],
    niceness: 10,
  },
];

async function run({ name, groups, niceness }) {
  const projects = groups.map((group) => `--project=${group}`);
  const report =
    values.reports === undefined
      ? []
      : ["--reporter=default", "--reporter=json", `--outputFile.json=${values.reports}/${name}.json`];
  return await ended("vitest", ["run", ...projects, ...report], niceness);
}

async function ended(command, words, niceness = 0) {
  const child = spawn(command, words, { stdio: "inherit" });
  setPriority(child.pid, niceness);
  const [code] = await once(child, "close");
  return code;
}

const lanes = LANES.map(run);
const nodes = values.nodes
  ? [Promise.race(lanes).then(() => ended(process.execPath, ["test/nodes.mjs"]))]
  : [];
const codes = await Promise.all([...lanes, ...nodes]);
process.exitCode = codes.every((code) => code === 0) ? 0 : 1;
