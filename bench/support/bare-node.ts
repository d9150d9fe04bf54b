// A Node that does nothing: the least that any program on it takes.
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import type { Readable } from "node:stream";

/**
 * Takes Node's own variables from this process, and so from those that it starts: NODE_EXTRA_CA_CERTS alone doubles the start of
 * a Node that does nothing, and hides a third of the ratio.
 */
export function forgetNodesOwn(): void {
  for (const name of Object.keys(process.env)) if (name.startsWith("NODE_")) delete process.env[name];
}

/** Resolves when its script has run. It ends with its standard input. */
export async function startBareNode(): Promise<ChildProcess> {
  const script = "console.log(0); process.stdin.resume()";
  const child = spawn(process.execPath, ["-e", script], { stdio: ["pipe", "pipe", "inherit"] });
  await once(child.stdout as Readable, "data");
  return child;
}
