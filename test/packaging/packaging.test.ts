// packaging/ as far as it can be proven without Docker and a running systemd: the steps of the Dockerfile and of
// docs/deployment.md are carried out in a folder, and what they install runs as an ordinary user with
// nothing writable but its data folder.
import { spawn, spawnSync } from "node:child_process";
import { randomUUID } from "node:crypto";
import { once } from "node:events";
import { chmodSync, existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect } from "vitest";
import { readMaildir, valuesOf } from "../support/maildir.ts";
import { test } from "../support/place.ts";
import { makeFolder, run } from "../support/process.ts";
import { connectSmtp, taskMail } from "../support/smtp-client.ts";
import { copyOf, textsOf, variablesOf } from "./dockerfile.ts";
import { build, final, installByDockerfile, installByTarball } from "./install.ts";
import { isRoot, makeDataFolder, ownedElsewhere, readOnlyBut, startInstalled, USER } from "./sandbox.ts";

const read = (path: string): string => readFileSync(path, "utf8");
const environment = variablesOf(textsOf(final, "ENV"));

const folder = makeFolder();
const dataFolders = join(folder.path, "data");
beforeAll(() => {
  mkdirSync(dataFolders);
  for (const path of [folder.path, dataFolders]) chmodSync(path, 0o711);
});
afterAll(() => folder.remove());

describe.each([
  ["the Dockerfile", installByDockerfile],
  ["the tarball", installByTarball],
])("installed by %s", (_, install) => {
  let installed: string;
  beforeAll(() => {
    installed = install(folder.path);
    // All packages are installed, which takes minutes where the machine has other work.
  }, 600_000);

  test("without what only development needs", () => {
    const { dependencies, devDependencies } = JSON.parse(read("package.json"));
    const isInstalled = (name: string): boolean => existsSync(join(installed, "node_modules", name));
    expect(Object.keys(dependencies).filter((name) => !isInstalled(name))).toEqual([]);
    // Types come along with a dependency that names them itself.
    const development = Object.keys(devDependencies).filter((name) => !name.startsWith("@types/"));
    expect(development.filter(isInstalled)).toEqual([]);
    expect(existsSync(join(installed, "src"))).toBe(false);
  });

  test("relays as an ordinary user, and writes into its data folder only", async () => {
    const data = join(dataFolders, randomUUID());
    makeDataFolder(data);
    const gateway = await startInstalled(join(installed, "dist/main.js"), data, environment);
    const status = process.platform === "linux" ? read(`/proc/${gateway.pid}/status`) : undefined;
    if (status !== undefined && isRoot) {
      expect(status).toMatch(new RegExp(`^Uid:\\t${USER}\\t${USER}\\t${USER}\\t${USER}$`, "m"));
      expect(status).toMatch(/^CapEff:\t0+$/m);
      expect(status).toMatch(/^CapBnd:\t0+$/m);
      expect(status).toMatch(/^NoNewPrivs:\t1$/m);
    }
    const task = randomUUID();
    for (const reply of ["queued as", "repeat of"]) {
      const client = await connectSmtp(gateway.port);
      expect(await client.submit({ to: ["user@example.com"], content: taskMail(task) })).toContain(reply);
      await client.quit();
      await gateway.logged("transmission.relayed");
    }
    expect(valuesOf(readMaildir(join(data, "outbox")), "Message-ID")).toHaveLength(1);
    expect(await gateway.stop()).toBe(0);
    expect(gateway.stderr()).toBe("");
    expect(gateway.lines.filter(({ level }) => level !== "info")).toEqual([]);
    // Where nothing else could be written there is nothing to look for.
    if (isRoot && readOnlyBut(data) === undefined) expect(ownedElsewhere(dataFolders)).toEqual([]);
  });
});

test("the sandbox is one: root itself writes nowhere but into the folder", ({ skip }) => {
  const data = join(dataFolders, "inside");
  makeDataFolder(data);
  const [program, ...args] = readOnlyBut(data) ?? [];
  if (program === undefined) return skip("mounting is not allowed here");
  const touched = (path: string) => spawnSync(program, [...args, "touch", path]).status === 0;
  expect(touched(join(data, "one"))).toBe(true);
  for (const place of [folder.path, "/tmp", "/var/tmp", "/"]) {
    expect(touched(join(place, `mailonce-${randomUUID()}`))).toBe(false);
  }
});

describe("the Dockerfile", () => {
  test("takes only what .dockerignore lets through", () => {
    const allowed = read(".dockerignore")
      .split("\n")
      .flatMap((line) => (line.startsWith("!") ? [line.slice(1)] : []));
    const copied = textsOf(build, "COPY").flatMap((text) => copyOf(text).sources);
    expect(copied.sort()).toEqual(allowed.sort());
  });

  test("names its base by tag, runs as a user with a number, and says how it stops", () => {
    for (const from of [...textsOf(build, "FROM"), ...textsOf(final, "FROM")]) {
      expect(from).toMatch(/^(--platform=\$BUILDPLATFORM )?[\w./-]+:\d[\w.-]+( AS \w+)?$/);
    }
    expect(textsOf(final, "USER").at(-1)).toMatch(/^[1-9]\d*:[1-9]\d*$/);
    expect(textsOf(final, "VOLUME")).toEqual([environment.MAILONCE_DATA_DIR]);
    expect(textsOf(final, "STOPSIGNAL")).toEqual(["SIGTERM"]);
  });

  test("its health check: a gateway that answers is well, whatever listens on its ports", async ({
    place,
  }) => {
    const [, json = ""] = / CMD (\[.*\])$/.exec(textsOf(final, "HEALTHCHECK")[0] ?? "") ?? [];
    const [, ...args] = JSON.parse(json) as string[];
    const health = async (data: string): Promise<unknown> => {
      const env = { ...environment, MAILONCE_DATA_DIR: data };
      return (await once(spawn(process.execPath, args, { env }), "close"))[0];
    };
    expect(await health(place.data)).toBe(1);
    const gateway = await place.start({ HTTP_ENABLED: "false" });
    expect(await health(place.data)).toBe(0);
    await gateway.kill();
    expect(await health(place.data)).toBe(1);
    // Something else that answers there is no gateway that lives.
    const server = createServer((_, response) => response.writeHead(404).end());
    server.listen(`${place.folder}/operator.sock`);
    await once(server, "listening");
    expect(await health(place.folder)).toBe(1);
    server.close();
  });

  test("its builds of the addon are for amd64 and arm64, with glibc", () => {
    const header = (name: string): Buffer =>
      readFileSync(join("node_modules/classic-level/prebuilds", name)).subarray(0, 20);
    for (const [name, machine] of [
      ["linux-x64/classic-level.node", 0x3e],
      ["linux-arm64/classic-level.armv8.node", 0xb7],
    ] as const) {
      expect(header(name).subarray(0, 4).toString("latin1")).toBe("\x7fELF");
      expect(header(name).readUInt16LE(18)).toBe(machine);
    }
    for (const from of [...textsOf(build, "FROM"), ...textsOf(final, "FROM")])
      expect(from).toContain("-slim");
  });
});

test("compose: read-only, no capabilities, no new privileges, no port to the world", () => {
  const compose = read("packaging/compose.yaml");
  for (const line of ["read_only: true", "cap_drop: [ALL]", 'security_opt: ["no-new-privileges:true"]']) {
    expect(compose).toContain(`\n    ${line}\n`);
  }
  expect(compose).not.toMatch(/^\s*(ports|privileged|cap_add):/m);
  expect(compose).not.toMatch(/_(SECRET|PASSWORD):/);
});

test("compose: its settings are taken as they stand there", async () => {
  const [, block = ""] = /\n {4}environment:\n((?: {6}.*\n)+)/.exec(read("packaging/compose.yaml")) ?? [];
  const settings: Record<string, string> = {};
  for (const [, name = "", value = ""] of block.matchAll(/^ {6}MAILONCE_(\w+): (.+)$/gm)) {
    settings[name] = value.replace("/run/secrets", folder.path);
    if (name.endsWith("_FILE")) writeFileSync(settings[name], "secret\n", { mode: 0o400 });
  }
  expect(Object.keys(settings).length).toBeGreaterThan(5);
  const { code, stdout, stderr } = await run(["check-config"], settings);
  expect(stderr).toBe("");
  expect(code).toBe(0);
  expect(stdout).toContain('upstream.smtp.password = "(set)"\n');
});

describe("the systemd unit", () => {
  const unit = read("packaging/mailonce.service");
  const valuesIn = (key: string): string[] =>
    [...unit.matchAll(new RegExp(`^${key}=(.*)$`, "gm"))].map(([, value = ""]) => value);
  const analyze = "/usr/bin/systemd-analyze";

  test("gives a stop more time than the gateway takes, and reloads by SIGHUP", () => {
    const [, grace = ""] = /GRACE_MS = ([\d_]+)/.exec(read("src/relay.ts")) ?? [];
    const seconds = Number(/^(\d+)s$/.exec(valuesIn("TimeoutStopSec")[0] ?? "")?.[1]);
    expect(seconds * 1_000).toBeGreaterThan(Number(grace.replaceAll("_", "")));
    expect(valuesIn("ExecReload")).toEqual(["/bin/kill -HUP $MAINPID"]);
  });

  test("is an ordinary user without capabilities, and leaves V8 its compiler", () => {
    expect(valuesIn("User")).toEqual(["mailonce"]);
    expect(read("packaging/mailonce.sysusers")).toMatch(/^u mailonce - /m);
    expect(valuesIn("CapabilityBoundingSet")).toEqual([""]);
    expect(valuesIn("StateDirectoryMode")).toEqual(["0700"]);
    expect(valuesIn("UMask")).toEqual(["0077"]);
    expect(valuesIn("MemoryDenyWriteExecute")).toEqual([]);
  });

  test.skipIf(!existsSync(analyze))("systemd finds no fault in it, and little exposure", () => {
    const path = join(folder.path, "mailonce.service");
    writeFileSync(path, unit.replace("/usr/bin/node", process.execPath));
    const verified = spawnSync(analyze, ["verify", path], { encoding: "utf8" });
    expect(verified.stderr + verified.stdout).toBe("");
    expect(verified.status).toBe(0);
    const security = spawnSync(analyze, ["security", "--offline=true", "--no-pager", path], {
      encoding: "utf8",
    });
    const exposure = Number(/Overall exposure level for \S+: ([\d.]+)/.exec(security.stdout)?.[1]);
    // Systems differ a little in what they count; "OK" ends at 4.9, and a service without hardening has 9.6.
    expect(exposure).toBeLessThan(2);
  });
});
