// `npm run sbom [-- FILE]`: dist/sbom.cdx.json, or that file: what is in the package and what is installed with it, in
// CycloneDX. npm knows all packages that mailonce is made with; of those the ones stay that are dependencies, or that the build
// has bundled, by its list of licences.
import { execFileSync } from "node:child_process";
import { readFileSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";

process.chdir(fileURLToPath(new URL("..", import.meta.url)));

const [file = "dist/sbom.cdx.json"] = process.argv.slice(2);
const DEVELOPMENT = "cdx:npm:package:development";
const BUNDLED = { name: "cdx:npm:package:bundled", value: "true" };

const { name: ownName, version } = JSON.parse(readFileSync("package.json", "utf8"));
// Not with --omit=dev, which leaves out classic-level (npm 11.19).
const all = JSON.parse(execFileSync("npm", ["sbom", "--sbom-format=cyclonedx", "--package-lock-only"]));
const installed = new Set(
  all.components
    .filter(({ properties }) => !properties.some(({ name }) => name === DEVELOPMENT))
    .map((component) => component["bom-ref"]),
);
const bundled = new Set(
  readFileSync("dist/licenses.txt", "utf8")
    .split(/^-{80}$/m)
    .map((one) => /^\s*(\S+) (\S+): /.exec(one)?.slice(1).join("@")),
);
const known = new Set(all.components.map((component) => component["bom-ref"]));
const unknown = [...bundled].filter((one) => !known.has(one));
if (unknown.length > 0) throw new Error(`bundled, and not in package-lock.json: ${unknown.join(", ")}`);

/** npm 10 names a package again for each folder that it is in. */
const once = (list, refOf) => [...new Map(list.map((one) => [refOf(one), one])).values()];
const isShipped = (ref) => installed.has(ref) || bundled.has(ref);
const own = `${ownName}@${version}`;

writeFileSync(
  file,
  `${JSON.stringify(
    {
      ...all,
      metadata: {
        ...all.metadata,
        lifecycles: [{ phase: "build" }],
        component: { ...all.metadata.component, type: "application", name: ownName },
      },
      components: once(all.components, (component) => component["bom-ref"])
        .filter((component) => isShipped(component["bom-ref"]))
        .map((component) => ({
          ...component,
          scope: "required",
          properties: bundled.has(component["bom-ref"]) ? [BUNDLED] : [],
        })),
      dependencies: once(all.dependencies, ({ ref }) => ref)
        .filter(({ ref }) => ref === own || isShipped(ref))
        .map(({ ref, dependsOn = [] }) => ({ ref, dependsOn: dependsOn.filter(isShipped) })),
    },
    undefined,
    2,
  )}\n`,
);
