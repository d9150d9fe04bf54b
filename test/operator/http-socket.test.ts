// The operator's socket: where it is when the path of the data folder is too long for one, and who finds it.
import { chmodSync, cpSync, existsSync, lstatSync, mkdirSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { gatewayDesk, NoGatewayError } from "../../src/operator/http/client.ts";
import { HELD, type HttpPlace, openHttpPlace } from "../support/http-place.ts";
import { makeFolder } from "../support/process.ts";

let folder: ReturnType<typeof makeFolder>;
let runtime: string;
let place: HttpPlace | undefined;
beforeEach(() => {
  folder = makeFolder();
  runtime = join(folder.path, "run");
  mkdirSync(runtime, { mode: 0o700 });
  vi.stubEnv("XDG_RUNTIME_DIR", runtime);
});
afterEach(async () => {
  await place?.close();
  place = undefined;
  vi.unstubAllEnvs();
  folder.remove();
});

/** A data folder whose own path leaves no room for the socket's name. */
function longFolder(): string {
  const data = join(folder.path, "long".repeat(25), "data");
  mkdirSync(data, { recursive: true, mode: 0o700 });
  return data;
}

test("is in the data folder, for its owner only, and goes at a stop", async () => {
  place = await openHttpPlace();
  expect(lstatSync(join(place.data, "operator.sock")).mode & 0o777).toBe(0o600);
  expect(await gatewayDesk(place.data).list()).toEqual([HELD]);
  await place.http.close();
  expect(readdirSync(place.data)).toEqual([]);
  expect(readdirSync(runtime)).toEqual([]);
  await expect(gatewayDesk(place.data).list()).rejects.toBeInstanceOf(NoGatewayError);
});

test("is in XDG_RUNTIME_DIR where the path is too long, and a command without that variable finds it", async () => {
  const data = longFolder();
  place = await openHttpPlace({ settings: { DATA_DIR: data } });
  const [name = ""] = readdirSync(runtime);
  expect(name).toMatch(/^mailonce-[0-9a-f]{16}\.sock$/);
  expect(lstatSync(join(runtime, name)).mode & 0o777).toBe(0o600);
  expect(readFileSync(join(data, "operator.path"), "utf8")).toBe(`${join(runtime, name)}\n`);
  expect(lstatSync(join(data, "operator.path")).mode & 0o777).toBe(0o600);
  vi.stubEnv("XDG_RUNTIME_DIR", undefined);
  expect(await gatewayDesk(data).list()).toEqual([HELD]);
  await place.http.close();
  expect([...readdirSync(runtime), ...readdirSync(data)]).toEqual([]);
});

test("is found from another working folder, and by another name of the data folder", async () => {
  place = await openHttpPlace();
  const { folder: parent } = place;
  expect(await gatewayDesk(join(parent, "data", "..", "data")).list()).toEqual([HELD]);
});

test("of a copied data folder is not the one of the first: its decisions go nowhere else", async () => {
  const data = longFolder();
  place = await openHttpPlace({ settings: { DATA_DIR: data } });
  const copy = `${data}-copy`;
  cpSync(data, copy, { recursive: true });
  expect(existsSync(join(copy, "operator.path"))).toBe(true);
  await expect(gatewayDesk(copy).list()).rejects.toBeInstanceOf(NoGatewayError);
});

test("is not in a folder where others can write", async () => {
  chmodSync(runtime, 0o777);
  const data = longFolder();
  place = await openHttpPlace({ settings: { DATA_DIR: data } });
  expect(readdirSync(runtime)).toEqual([]);
  // In /run for root; for others there is none, and the log says so.
  if (existsSync(join(data, "operator.path"))) expect(await gatewayDesk(data).list()).toEqual([HELD]);
  else expect(place.logged.map(([event]) => event)).toContain("operator.unavailable");
});

test("needs no token, no Host and no Origin, and may decide", async () => {
  place = await openHttpPlace({ withTokens: true });
  expect(await gatewayDesk(place.data).resolve(HELD.id, "relayed", "asked")).toEqual({
    ...{ ok: true, id: HELD.id, next: "relayed" },
  });
  // Nobody's name is beside it in the log.
  expect(place.decided).toEqual(["relayed asked "]);
  expect(await gatewayDesk(place.data).resolve("x", "relayed")).toEqual({
    ...{ ok: false, fault: "x is not doubtful" },
  });
});
