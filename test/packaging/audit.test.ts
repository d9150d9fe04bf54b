// The audit step of CI against registries of every kind: a vulnerability fails, no answer says so and does not.
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { createServer, type RequestListener } from "node:http";
import type { AddressInfo } from "node:net";
import { resolve } from "node:path";
import { afterEach, expect, test } from "vitest";
import { makeFolder } from "../support/process.ts";

const SCRIPT = resolve(".ci/audit.mjs");
let close = () => {};
afterEach(() => close());

async function registry(answer: RequestListener): Promise<string> {
  const server = createServer((request, response) => {
    request.resume().once("end", () => answer(request, response));
  }).listen(0, "127.0.0.1");
  close = () => server.close();
  await once(server, "listening");
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}/`;
}

async function auditAt(url: string, cwd = process.cwd()): Promise<{ code: number | null; output: string }> {
  const child: ChildProcess = spawn(process.execPath, [SCRIPT], {
    cwd,
    env: { ...process.env, npm_config_registry: url, npm_config_fetch_retry_mintimeout: "1" },
  });
  let output = "";
  child.stdout?.setEncoding("utf8").on("data", (text: string) => {
    output += text;
  });
  const [code] = (await once(child, "close")) as [number | null];
  return { code, output };
}

const advisories =
  (found: object): RequestListener =>
  ({ url }, response) => {
    response.setHeader("content-type", "application/json");
    if (url?.endsWith("/advisories/bulk")) response.end(JSON.stringify(found));
    else response.writeHead(404).end("{}");
  };

test("nothing known: fine", async () => {
  const { code, output } = await auditAt(await registry(advisories({})));
  expect(output).toBe("npm audit: 0 vulnerable packages\n");
  expect(code).toBe(0);
});

// One that is bundled, one that is installed with mailonce, one that tests it.
test.each(["pino", "classic-level", "fast-check"])(
  "a vulnerability in %s fails, and is named",
  async (name) => {
    const one = { id: 1, url: "https://advisory.example/1", title: "Bad", severity: "low" };
    const { code, output } = await auditAt(
      await registry(advisories({ [name]: [{ ...one, vulnerable_versions: "*" }] })),
    );
    // Others that need it count as well.
    expect(output).toMatch(/^npm audit: [1-9]\d* vulnerable packages$/m);
    expect(output).toContain(`  ${name} (low): Bad https://advisory.example/1\n`);
    expect(code).toBe(1);
  },
);

test.each([405, 404, 500])("a registry that answers %i: not audited, and said so", async (status) => {
  const url = await registry((_, response) => response.writeHead(status).end());
  const { code, output } = await auditAt(url);
  expect(output.match(/^NOT AUDITED: .* got no answer from the registry: .+$/m)).not.toBeNull();
  expect(code).toBe(0);
});

test("a registry that is not there: not audited", async () => {
  const url = await registry(() => {});
  close();
  const { code, output } = await auditAt(url);
  expect(output).toContain("NOT AUDITED: ");
  expect(code).toBe(0);
});

test("no lock file is a fault of ours", async () => {
  const folder = makeFolder();
  close = folder.remove;
  const { code, output } = await auditAt("http://127.0.0.1:9/", folder.path);
  expect(output).toContain("failed: ENOLOCK");
  expect(code).toBe(1);
});
