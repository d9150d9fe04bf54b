// Installs mailonce into a folder, by the steps of packaging/Dockerfile or by those of docs/deployment.md.
import { cpSync, mkdirSync } from "node:fs";
import { join } from "node:path";
import { copyOf, readStages, textsOf } from "./dockerfile.ts";
import { runStep } from "./sandbox.ts";

export const [build = [], final = []] = readStages("packaging/Dockerfile");

/** Carries the Dockerfile out: RUN and COPY of the first stage, COPY of the second. @returns where main.js is installed */
export function installByDockerfile(folder: string): string {
  const context = join(folder, "build");
  const installed = join(folder, "image");
  for (const path of [context, installed]) mkdirSync(path);
  for (const { name, text } of build) {
    if (name === "RUN") runStep(text, context);
    if (name !== "COPY") continue;
    const { sources, target } = copyOf(text);
    for (const source of sources) {
      cpSync(source, join(context, target === "./" ? source : target), { recursive: true });
    }
  }
  for (const text of textsOf(final, "COPY")) {
    const { sources, target } = copyOf(text);
    for (const source of sources) {
      const name = source.replace(/^\/build\//, "");
      const options = { recursive: true, verbatimSymlinks: true };
      cpSync(join(context, name), join(installed, target === "./" ? name : target), options);
    }
  }
  return readable(installed);
}

/** As docs/deployment.md says for systemd: the packed tarball with the lock file, without dev dependencies. */
export function installByTarball(folder: string): string {
  const installed = join(folder, "opt");
  mkdirSync(installed);
  runStep(`npm pack --silent --ignore-scripts --pack-destination ${folder}`, process.cwd());
  runStep(`tar -xzf ${folder}/mailonce-*.tgz --strip-components=1`, installed);
  cpSync("package-lock.json", join(installed, "package-lock.json"));
  runStep("npm ci --omit=dev --no-audit --no-fund", installed);
  return readable(installed);
}

/** As an image or a package would have it, whatever the umask here is. */
function readable(installed: string): string {
  runStep("chmod -R a+rX,go-w .", installed);
  return installed;
}
