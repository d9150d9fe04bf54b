// What a release consists of: the SBOM names what ships and nothing else, the notes are those of the version, and the workflow
// publishes only what was tested, with no right too many.
import { execFileSync, spawnSync } from "node:child_process";
import { cpSync, existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { makeFolder } from "../support/process.ts";
import { at, listAt, readYaml } from "./manifests.ts";

const read = (path: string): string => readFileSync(path, "utf8");
const { version, scripts, devDependencies, files } = JSON.parse(read("package.json"));

interface Component {
  readonly "bom-ref": string;
  readonly purl: string;
  readonly licenses: readonly unknown[];
  readonly hashes: readonly unknown[];
  readonly properties: readonly { readonly name: string }[];
}

interface Sbom {
  readonly bomFormat: string;
  readonly specVersion: string;
  readonly metadata: { readonly component: { readonly purl: string } };
  readonly components: readonly Component[];
  readonly dependencies: readonly { readonly ref: string; readonly dependsOn: readonly string[] }[];
}

describe("the SBOM", () => {
  const { path: folder, remove } = makeFolder();
  afterAll(remove);
  let sbom: Sbom;
  beforeAll(() => {
    // Not into dist, which another test may be packing.
    const file = join(folder, "sbom.cdx.json");
    execFileSync("npm", ["run", "--silent", "sbom", "--", file]);
    sbom = JSON.parse(read(file));
  });

  const refsOf = (components: readonly Component[]): string[] =>
    components.map((component) => component["bom-ref"]).sort();
  const isBundled = ({ properties }: Component): boolean =>
    properties.some(({ name }) => name === "cdx:npm:package:bundled");

  test("is CycloneDX, of this version", () => {
    expect(sbom).toMatchObject({ bomFormat: "CycloneDX", specVersion: "1.5" });
    expect(sbom.metadata.component.purl).toBe(`pkg:npm/mailonce@${version}`);
  });

  test("has what is installed with mailonce, by the lock file", () => {
    const { packages } = JSON.parse(read("package-lock.json")) as {
      packages: Record<string, { version: string; dev?: boolean }>;
    };
    const installed = Object.entries(packages)
      .filter(([path, { dev }]) => path !== "" && dev !== true)
      .map(([path, one]) => `${path.split("node_modules/").at(-1)}@${one.version}`);
    expect(installed.length).toBeGreaterThan(10);
    expect(refsOf(sbom.components)).toEqual(expect.arrayContaining(installed));
    // What classic-level brings beside its addon is both: the bundle doesn't use the installed one.
    const others = refsOf(sbom.components.filter((one) => !isBundled(one)));
    expect(others.filter((ref) => !installed.includes(ref))).toEqual([]);
  });

  test("has what is bundled, by the list of licences, and nothing that only tests or builds", () => {
    const licences = read("dist/licenses.txt").split(/^-{80}$/m);
    const bundled = licences.map((one) => (/^\s*(\S+) (\S+): /.exec(one) ?? []).slice(1).join("@"));
    expect(refsOf(sbom.components.filter(isBundled))).toEqual(bundled.sort());
    const names = refsOf(sbom.components).map((ref) => ref.slice(0, ref.lastIndexOf("@")));
    for (const name of ["pino", "nodemailer", "@aws-sdk/client-sesv2", "pg"]) {
      expect(devDependencies).toHaveProperty([name]);
      expect(names).toContain(name);
    }
    for (const name of ["vitest", "typescript", "rolldown", "playwright-core", "dynalite", "yaml"]) {
      expect(devDependencies).toHaveProperty([name]);
      expect(names).not.toContain(name);
    }
  });

  test("has of each a licence, a digest and its name in the registry, and the way that leads to it", () => {
    for (const one of sbom.components) {
      expect([one["bom-ref"], one.licenses.length, one.hashes.length]).toEqual([one["bom-ref"], 1, 1]);
      expect(one.purl).toMatch(/^pkg:npm\/.+@\d/);
    }
    const edges = new Map(sbom.dependencies.map(({ ref, dependsOn }) => [ref, dependsOn]));
    const reached = new Set<string>();
    const reach = (ref: string): void => {
      if (reached.has(ref)) return;
      reached.add(ref);
      for (const next of edges.get(ref) ?? []) reach(next);
    };
    reach(`mailonce@${version}`);
    expect(refsOf(sbom.components).filter((ref) => !reached.has(ref))).toEqual([]);
  });

  test("is made before the package is packed, into a folder that goes along", () => {
    expect(scripts.prepack.split(" && ")).toEqual(["npm run --silent build", "npm run --silent sbom"]);
    expect(read("packaging/sbom.mjs")).toContain('[file = "dist/sbom.cdx.json"]');
    expect(files).toContain("dist");
  });
});

describe("the notes", () => {
  const { path: folder, remove } = makeFolder();
  afterAll(remove);
  const notes = (tag: string, changelog: string) => {
    mkdirSync(join(folder, "packaging"), { recursive: true });
    for (const name of ["package.json", "packaging/release-notes.mjs"]) cpSync(name, join(folder, name));
    writeFileSync(join(folder, "CHANGELOG.md"), changelog);
    const { status, stdout, stderr } = spawnSync(
      process.execPath,
      [join(folder, "packaging/release-notes.mjs"), tag],
      { encoding: "utf8" },
    );
    return { status, stdout, stderr };
  };
  const changelog = (head: string): string =>
    `# Changelog\n\n## [9.9.9] - 2030-01-01\n\nlater\n\n${head}\n\n### Guarantees\n\n- kept\n\n## [0.0.1] - 2020-01-01\n\nold\n`;

  test("are the section of the version", () => {
    expect(notes(`v${version}`, changelog(`## [${version}] - 2026-11-28`))).toEqual({
      ...{ status: 0, stdout: "### Guarantees\n\n- kept\n", stderr: "" },
    });
  });

  test("are refused for another tag, without a day, and without a section", () => {
    expect(notes("v9.9.9", changelog(`## [${version}] - 2026-11-28`))).toMatchObject({
      ...{ status: 1, stdout: "", stderr: `the tag is v9.9.9, and package.json has ${version}\n` },
    });
    expect(notes(`v${version}`, changelog(`## [${version}] - unreleased`))).toMatchObject({
      ...{ status: 1, stderr: `CHANGELOG.md has no day of ${version}: ## [${version}] - unreleased\n` },
    });
    expect(notes(`v${version}`, changelog("## [0.0.2] - 2021-01-01"))).toMatchObject({
      ...{ status: 1, stderr: `CHANGELOG.md has no section of ${version}\n` },
    });
  });

  test("the changelog has a section of this version, guarantees first; the docs show it", () => {
    const section = read("CHANGELOG.md")
      .split(/^(?=## )/m)
      .find((one) => one.startsWith(`## [${version}] - `));
    expect(/^### (\w+)/m.exec(section ?? "")?.[1]).toBe("Guarantees");
    expect(read("README.md")).toContain(`\nmailonce ${version} listens on `);
    expect(read("docs/kubernetes.md")).toContain(`/mailonce:${version} --push`);
  });
});

describe("the workflow", () => {
  const workflow = readYaml(".github/workflows/release.yml");
  const jobs = at(workflow, "jobs") as Readonly<Record<string, unknown>>;
  const needsOf = (job: string): string[] => [at(jobs[job], "needs") ?? []].flat() as string[];
  const stepsOf = (job: string) =>
    listAt(jobs[job], "steps").map((step) => ({
      run: String(at(step, "run") ?? ""),
      uses: String(at(step, "uses") ?? ""),
    }));
  const allSteps = Object.keys(jobs).flatMap(stepsOf);

  test("runs for tags of versions only", () => {
    // YAML 1.1 reads `on` as true.
    expect(at(workflow, "true") ?? at(workflow, "on")).toEqual({ push: { tags: ["v*.*.*"] } });
  });

  test("publishes only what all tests have passed on", () => {
    const earlier = (job: string): string[] => needsOf(job).flatMap((one) => [one, ...earlier(one)]);
    expect(stepsOf("test").map(({ run }) => run)).toContain(".ci/run");
    for (const job of Object.keys(jobs)) if (job !== "test") expect(earlier(job)).toContain("test");
    expect(new Set(earlier("npm"))).toEqual(new Set(["test", "pack", "image"]));
    expect(needsOf("release")).toEqual(["npm"]);
    expect(stepsOf("npm").at(-1)?.run).toMatch(/^npm publish --provenance .*\.tgz$/);
  });

  test("gives each job what it needs, and npm no secret", () => {
    expect(at(workflow, "permissions")).toEqual({});
    const rights = Object.fromEntries(
      Object.entries(jobs).map(([name, job]) => [name, at(job, "permissions")] as const),
    );
    expect(rights).toEqual({
      test: { contents: "read" },
      pack: { contents: "read" },
      image: { contents: "read", packages: "write" },
      npm: { "id-token": "write" },
      release: { contents: "write" },
    });
    expect(read(".github/workflows/release.yml")).not.toContain("secrets.");
  });

  test("uses GitHub's own actions, and files that there are", () => {
    for (const { uses } of allSteps) if (uses !== "") expect(uses).toMatch(/^actions\/[a-z-]+@v\d+$/);
    const named = allSteps.flatMap(({ run }) => run.match(/(?<![\w/])(\.ci|packaging)\/[\w./-]+/g) ?? []);
    expect(named.length).toBeGreaterThan(2);
    expect(named.filter((path) => !existsSync(path))).toEqual([]);
  });

  test("builds the image for both platforms, and tests under the oldest Node that is supported", () => {
    expect(allSteps.some(({ run }) => run.includes("--platform linux/amd64,linux/arm64 "))).toBe(true);
    const { engines } = JSON.parse(read("package.json"));
    expect(engines.node).toBe(
      `>=${/^node:([\d.]+)-bookworm$/.exec(String(at(jobs.test, "container")))?.[1]}`,
    );
    expect(read(".ci/run")).toContain("--nodes");
    const [, versions = ""] = /VERSIONS = \[(.*)\]/.exec(read("test/nodes.mjs")) ?? [];
    const newer = [...versions.matchAll(/"(\d+)\./g)].map(([, major]) => major).join(" or ");
    expect(newer).not.toBe("");
    const oldest = engines.node.slice(">=".length);
    expect(read("docs/deployment.md")).toContain(`**Node.js** ${oldest}, ${newer}.`);
  });
});
