// What an installation takes: packages, octets on the disk, and time, from the packed tarball with all else in npm's cache;
// beside an empty package, in turns.
//
//   npm run bench:install [-- --turns 5]
import { execFileSync, spawnSync } from "node:child_process";
import { lstatSync, mkdirSync, readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { makeFolder } from "../test/support/process.ts";
import { forgetNodesOwn } from "./support/bare-node.ts";
import { decimal, mebibytes, milliseconds, ratioRow, whole } from "./support/figures.ts";
import { publish } from "./support/result.ts";
import { median } from "./support/statistics.ts";
import { inTurns, timing } from "./support/turns.ts";

const METHOD = `\`npm install --offline\` of the packed tarball into an empty folder, with npm's cache warm; beside it that of a package that
has nothing and needs nothing. In turns, medians. Processor time is that of npm and of all that it starts. Octets are those of the
files, without what the disk rounds up.`;

interface Installed {
  readonly packages: number;
  readonly files: number;
  readonly octets: number;
  readonly processorMs: number;
  readonly wallMs: number;
}

type Kind = "empty" | "mailonce";

forgetNodesOwn();
const place = makeFolder();
const pack = (folder: string): string =>
  join(
    place.path,
    execFileSync("npm", ["pack", "--silent", "--ignore-scripts", "--pack-destination", place.path], {
      cwd: folder,
      encoding: "utf8",
    }).trim(),
  );
const empty = join(place.path, "empty");
mkdirSync(empty);
writeFileSync(join(empty, "package.json"), JSON.stringify({ name: "nothing", version: "1.0.0" }));
const TARBALLS: Readonly<Record<Kind, string>> = { empty: pack(empty), mailonce: pack(process.cwd()) };
let folders = 0;

/** @param options of npm */
function install(kind: Kind, options: string): Installed {
  folders += 1;
  const folder = join(place.path, String(folders));
  mkdirSync(folder);
  writeFileSync(join(folder, "package.json"), JSON.stringify({ private: true }));
  const begun = performance.now();
  // The second line of `times` has what the children took: user and system, as 0m1.234s.
  const line = `npm install ${options} --silent --no-audit --no-fund "${TARBALLS[kind]}" && times`;
  const { stdout, stderr, status } = spawnSync("sh", ["-c", line], { cwd: folder, encoding: "utf8" });
  if (status !== 0) throw new Error(`${line}: ${stderr}${stdout}`);
  const wallMs = performance.now() - begun;
  const [, children = ""] = stdout.trim().split("\n");
  const processorMs = [...children.matchAll(/(\d+)m([\d.]+)s/g)].reduce(
    (all, [, minutes, seconds]) => all + (Number(minutes) * 60 + Number(seconds)) * 1_000,
    0,
  );
  const modules = join(folder, "node_modules");
  const files = readdirSync(modules, { recursive: true, encoding: "utf8" })
    .map((name) => ({ name, stat: lstatSync(join(modules, name)) }))
    .filter(({ stat }) => stat.isFile());
  return {
    packages: files.filter(({ name }) => /^(?:@[^/]+\/)?[^/]+\/package\.json$/.test(name)).length,
    files: files.length,
    octets: files.reduce((all, { stat }) => all + stat.size, 0),
    processorMs,
    wallMs,
  };
}

const { turns } = timing({ seconds: 0, turns: 5 });
// What isn't in the cache comes into it now.
install("mailonce", "--prefer-offline");
const found = await inTurns(turns, Object.keys(TARBALLS) as Kind[], async (kind) =>
  install(kind, "--offline"),
);
place.remove();

const middle = (kind: Kind, of: keyof Installed): number =>
  median((found.get(kind) ?? []).map((one) => one[of]));
const row = (what: string, of: keyof Installed, show: (value: number) => string): string[] =>
  ratioRow(what, middle("empty", of), middle("mailonce", of), show);

/** Octets that Debian's package says it takes; NaN where dpkg doesn't know it. */
function postfixOctets(): number {
  const { stdout } = spawnSync("dpkg-query", ["-s", "postfix"], {
    encoding: "utf8",
  });
  return Number(/^Installed-Size: (\d+)$/m.exec(stdout)?.[1]) * 1_024;
}
const theirs = postfixOctets();
const ours = middle("mailonce", "octets");

publish({
  name: "install",
  question: "What does an installation take?",
  method: METHOD,
  tables: [
    {
      columns: ["installed", "an empty package", "mailonce", "ratio"],
      rows: [
        row("processor time", "processorMs", milliseconds),
        row("time by the clock", "wallMs", milliseconds),
        row("packages", "packages", whole),
        row("files", "files", whole),
      ],
    },
    ...(Number.isNaN(theirs)
      ? []
      : [
          {
            columns: ["on the disk, without Node", "mailonce", "Postfix, as Debian says", "ratio"],
            rows: [["octets", mebibytes(ours), mebibytes(theirs), decimal(ours / theirs)]],
          },
        ]),
  ],
});
