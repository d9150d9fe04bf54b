// Several gateways in one process, each with an environment of its own: see startTogether in gateway.ts.
import { existsSync } from "node:fs";
import { dirname, join } from "node:path";
import { pathToFileURL } from "node:url";

interface Wanted {
  /** The path of the program. */
  readonly main: string;
  readonly environment: Readonly<Record<string, string>>;
}

const wanted = JSON.parse(process.env.GATEWAYS ?? "[]") as Wanted[];
const served: Promise<number>[] = [];
for (const { main, environment } of wanted) {
  for (const name of Object.keys(process.env)) if (name.startsWith("MAILONCE_")) delete process.env[name];
  Object.assign(process.env, environment);
  // Builds before the bundle had a file for each module.
  const files = ["parts/serve.js", "cli/serve.js"].map((name) => join(dirname(main), name));
  const { serve } = await import(pathToFileURL(files.find(existsSync) ?? "").href);
  // It has read the environment when it returns.
  served.push(serve({}, "bench"));
}
process.exitCode = Math.max(...(await Promise.all(served)));
