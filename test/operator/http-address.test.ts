// The address of HTTP: a default one that is taken is no reason not to take mail, one that is set is.
import { once } from "node:events";
import { mkdirSync, readdirSync } from "node:fs";
import { createServer, type Server } from "node:net";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { loadConfig } from "../../src/config/config.ts";
import { HTTP_PORT } from "../../src/config/schema.ts";
import { HttpListenError, openHttp } from "../../src/operator/http/open.ts";
import { systemClock } from "../../src/runtime/clock.ts";
import type { LogFields } from "../../src/runtime/log.ts";
import { systemRandom } from "../../src/runtime/random.ts";
import { askAt, NO_PARTS } from "../support/http-place.ts";
import { makeFolder } from "../support/process.ts";

let folder: ReturnType<typeof makeFolder>;
let other: Server;
beforeEach(async () => {
  folder = makeFolder();
  mkdirSync(join(folder.path, "data"), { mode: 0o700 });
  other = createServer();
  // Another gateway of this machine may have the default port; then it is taken all the same.
  other.on("error", () => {});
  other.listen(HTTP_PORT, "127.0.0.1");
  await Promise.race([once(other, "listening"), new Promise((resolve) => other.once("error", resolve))]);
});
afterEach(() => {
  other.close();
  folder.remove();
});

const open = async (settings: Readonly<Record<string, string>>) => {
  const logged: [string, LogFields | undefined][] = [];
  const note = (event: string, fields?: LogFields): void => void logged.push([event, fields]);
  const config = loadConfig({ environment: { MAILONCE_DATA_DIR: join(folder.path, "data"), ...settings } });
  const log = { debug: note, info: note, warn: note, error: note };
  const http = await openHttp(config, { clock: systemClock, random: systemRandom, log });
  return { http, logged };
};

test("the default port is taken: a warning, no URL, and the operator's socket is there all the same", async () => {
  const { http, logged } = await open({});
  expect(logged).toEqual([["http.port_taken", { host: "127.0.0.1", port: HTTP_PORT }]]);
  expect([http.address, http.signInUrl()]).toEqual([undefined, undefined]);
  await http.run(NO_PARTS);
  expect(readdirSync(join(folder.path, "data"))).toEqual(["operator.sock"]);
  await http.close();
});

test("the same port when it is set: an error", async () => {
  await expect(open({ MAILONCE_HTTP_PORT: String(HTTP_PORT) })).rejects.toBeInstanceOf(HttpListenError);
});

test("HTTP that is not enabled has no address", async () => {
  const { http, logged } = await open({ MAILONCE_HTTP_ENABLED: "false" });
  expect([http.address, logged]).toEqual([undefined, []]);
  await http.close();
});

test("while the gateway starts, it lives and is not ready, and nothing else is answered", async () => {
  const { http } = await open({ MAILONCE_HTTP_PORT: "0" });
  const port = Number(http.address?.split(":").at(-1));
  expect((await askAt(port, "/healthz")).status).toBe(200);
  for (const path of ["/readyz", "/metrics", "/api/v1/doubtful", "/api/v1/upstreams"]) {
    const { status, body } = await askAt(port, path);
    expect([status, JSON.parse(body).detail]).toEqual([503, "the gateway is starting"]);
  }
  await http.run(NO_PARTS);
  expect((await askAt(port, "/readyz")).status).toBe(200);
  await http.close();
});

test("the URL names a host of ours, where one is set", async () => {
  const { http } = await open({ MAILONCE_HTTP_PORT: "0", MAILONCE_HTTP_HOSTS: "gateway.example" });
  expect(new URL(http.signInUrl() ?? "").hostname).toBe("gateway.example");
  await http.close();
});
