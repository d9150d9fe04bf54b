// Certificates that change under a running listener: taken over, refused, healed, without ending a session.
import { X509Certificate } from "node:crypto";
import { once } from "node:events";
import { chmodSync, mkdirSync, readFileSync, rmSync, symlinkSync } from "node:fs";
import { type AddressInfo, connect as connectTcp } from "node:net";
import { connect, type TLSSocket } from "node:tls";
import { SMTPServer } from "smtp-server";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { type LoadedTls, loadTls, type TlsFiles } from "../../src/listeners/tls/certificates.ts";
import { clientUser } from "../../src/listeners/tls/client-user.ts";
import { type TlsWatch, watchTls } from "../../src/listeners/tls/watch.ts";
import type { Log, LogFields } from "../../src/runtime/log.ts";
import { createManualClock } from "../support/manual-clock.ts";
import { makeTlsPlace, type TlsPlace } from "./tls-place.ts";

const DAY = 24 * 60 * 60_000;

let place: TlsPlace;
let watch: TlsWatch | undefined;
let server: SMTPServer | undefined;
beforeEach(() => {
  place = makeTlsPlace();
});
afterEach(async () => {
  watch?.close();
  for (const connection of server?.connections ?? []) connection.close();
  await new Promise<void>((resolve) => (server === undefined ? resolve() : server.close(() => resolve())));
  place.remove();
  watch = undefined;
  server = undefined;
});

/** Lines as "level event", with their fields apart. */
function createRecorder() {
  const lines: string[] = [];
  const fields: LogFields[] = [];
  const line =
    (level: string) =>
    (event: string, more: LogFields = {}) => {
      lines.push(`${level} ${event}`);
      fields.push(more);
    };
  const log: Log = { debug: line("debug"), info: line("info"), warn: line("warn"), error: line("error") };
  return { log, lines, fields };
}

async function start(more: Partial<TlsFiles> = {}, from?: number) {
  const files: TlsFiles = {
    certFile: place.path("server.pem"),
    keyFile: place.path("server-key.pem"),
    minVersion: "1.2",
    ...more,
  };
  const clock = createManualClock();
  clock.set(from ?? Date.now());
  const recorder = createRecorder();
  const loaded = await loadTls(files, clock);
  const applied: LoadedTls[] = [];
  const smtp = new SMTPServer({ ...loaded.options, logger: false, disableReverseLookup: true, secure: true });
  server = smtp;
  const users: (string | undefined)[] = [];
  const connectOf = smtp.connect.bind(smtp);
  smtp.connect = (socket, options) => {
    users.push(clientUser(socket as TLSSocket));
    connectOf(socket, options);
  };
  smtp.on("error", () => {});
  await new Promise<void>((resolve) => void smtp.listen(0, "127.0.0.1", resolve));
  const watching = watchTls(
    files,
    loaded,
    (next) => {
      applied.push(next);
      smtp.updateSecureContext(next.options);
    },
    recorder.log,
    clock,
  );
  watch = watching;
  const { port } = smtp.server.address() as AddressInfo;
  return {
    ...recorder,
    clock,
    applied,
    users,
    port,
    watching,
    /** The next look, to its end: then the one after it is due. */
    async look() {
      clock.advance(5_000);
      while (clock.untilNext() === undefined) await new Promise(setImmediate);
    },
    async session(client = "", resumed?: Buffer) {
      const own =
        client === "" ? {} : { cert: place.read(`${client}.pem`), key: place.read(`${client}-key.pem`) };
      const socket = connect({
        port,
        host: "127.0.0.1",
        servername: "localhost",
        ca: place.read("ca.pem"),
        ...(resumed === undefined ? {} : { session: resumed }),
        ...own,
      });
      await once(socket, "data");
      return socket;
    },
  };
}

const namesOf = (socket: TLSSocket) => socket.getPeerCertificate().subjectaltname ?? "";

/** Puts the renewed certificate in the place of the first. */
const renew = () => {
  place.put("server.pem", place.read("server-renewed.pem"));
  place.put("server-key.pem", place.read("server-renewed-key.pem"));
};

describe("a change on disk", () => {
  test("nothing changed: nothing is said or applied", async () => {
    const { look, lines, applied } = await start();
    for (let i = 0; i < 3; i++) await look();
    expect([lines, applied]).toEqual([[], []]);
  });

  test("is taken over at the next look, and the session before it goes on", async () => {
    const { look, session, lines, fields, watching } = await start();
    const before = await session();
    expect(namesOf(before)).not.toContain("renewed.example");
    expect(watching.certificate()).toMatchObject({ file: expect.stringMatching(/server\.pem$/) });
    renew();
    await look();
    expect(watching.certificate().names).toContain("renewed.example");
    expect(lines).toEqual(["info tls.reloaded"]);
    expect(fields[0]).toMatchObject({
      certificate: place.path("server.pem"),
      names: expect.arrayContaining(["renewed.example"]),
      notAfter: expect.stringMatching(/^2126-/),
    });
    expect(namesOf(await session())).toContain("renewed.example");
    before.write("NOOP\r\n");
    expect(String(await once(before, "data"))).toMatch(/^250 /);
    await look();
    expect(lines).toHaveLength(1);
  });

  test("certificate first, key later: not a word until both are there", async () => {
    const { look, session, lines } = await start();
    place.put("server.pem", place.read("server-renewed.pem"));
    await look();
    expect(lines).toEqual([]);
    expect(namesOf(await session())).not.toContain("renewed.example");
    place.put("server-key.pem", place.read("server-renewed-key.pem"));
    await look();
    expect(lines).toEqual(["info tls.reloaded"]);
    expect(namesOf(await session())).toContain("renewed.example");
  });

  test("a bad one is reported once, the old one stays, and a good one heals it", async () => {
    const { look, session, lines, fields } = await start();
    place.put("server.pem", "nothing");
    for (let i = 0; i < 4; i++) await look();
    expect(lines).toEqual(["error tls.reload_failed"]);
    expect(fields[0]?.faults).toEqual([expect.stringContaining("no certificate in it")]);
    expect(namesOf(await session())).toContain("localhost");
    renew();
    await look();
    expect(lines).toEqual(["error tls.reload_failed", "info tls.reloaded"]);
    expect(namesOf(await session())).toContain("renewed.example");
  });

  test("so is a key that others may read, and chmod alone heals it", async () => {
    const { look, lines } = await start();
    chmodSync(place.path("server-key.pem"), 0o604);
    await look();
    await look();
    chmodSync(place.path("server-key.pem"), 0o600);
    await look();
    expect(lines).toEqual(["error tls.reload_failed", "info tls.reloaded"]);
  });

  test("as certbot does it, a link, and as containers do, a folder two links away", async () => {
    for (const folder of ["one", "two"]) {
      mkdirSync(place.path(folder));
      const from = folder === "one" ? "server" : "server-renewed";
      place.put(`${folder}/cert.pem`, place.read(`${from}.pem`));
      place.put(`${folder}/key.pem`, place.read(`${from}-key.pem`));
    }
    symlinkSync("one", place.path("data"));
    symlinkSync("data/cert.pem", place.path("linked.pem"));
    symlinkSync("data/key.pem", place.path("linked-key.pem"));
    const { look, session, lines } = await start({
      certFile: place.path("linked.pem"),
      keyFile: place.path("linked-key.pem"),
    });
    rmSync(place.path("data"));
    await look();
    expect(lines).toEqual([]);
    symlinkSync("two", place.path("data"));
    await look();
    expect(lines).toEqual(["info tls.reloaded"]);
    expect(namesOf(await session())).toContain("renewed.example");
  });

  test("a client that is revoked is nobody from the next look on", async () => {
    const { look, session, users } = await start({
      clientCaFile: place.path("ca.pem"),
      clientCrlFile: place.path("crl-empty.pem"),
    });
    const ticket = (await session("client-revoked")).getSession();
    expect(ticket).toBeDefined();
    place.put("crl-empty.pem", place.read("crl.pem"));
    await look();
    await session("client-revoked", ticket);
    await session("client");
    expect(users).toEqual(["revoked", undefined, "app"]);
  });
});

describe("reload", () => {
  test("says at once how it went, changed or not", async () => {
    const { watching, lines } = await start();
    await watching.reload();
    place.put("server-key.pem", place.read("client-key.pem"));
    await watching.reload();
    renew();
    await Promise.all([watching.reload(), watching.reload()]);
    expect(lines).toEqual([
      "info tls.reloaded",
      "error tls.reload_failed",
      "info tls.reloaded",
      "info tls.reloaded",
    ]);
  });

  test("a handshake that is under way ends as it began", async () => {
    const { watching, port } = await start();
    const raw = connectTcp(port, "127.0.0.1");
    await once(raw, "connect");
    const socket = connect({ socket: raw, servername: "localhost", ca: place.read("ca.pem") });
    renew();
    await watching.reload();
    await once(socket, "data");
    expect(socket.authorized).toBe(true);
  });
});

test("after close nothing is read, applied or said", async () => {
  const { watching, clock, lines, applied } = await start();
  renew();
  const reload = watching.reload();
  watching.close();
  await reload;
  await watching.reload();
  expect(clock.untilNext()).toBeUndefined();
  expect([lines, applied]).toEqual([[], []]);
});

describe("the time of a certificate", () => {
  const fixture = new X509Certificate(readFileSync("fixtures/tls/server.pem"));
  const notAfter = Date.parse(fixture.validTo);

  test("its end is announced 14 days before, at the start and daily, and beyond it", async () => {
    const { look, lines, fields, clock } = await start({}, notAfter - 15 * DAY);
    expect(lines).toEqual([]);
    clock.set(notAfter - 13 * DAY);
    await look();
    await look();
    expect(lines).toEqual(["warn tls.expires_soon"]);
    expect(fields[0]).toMatchObject({ certificate: place.path("server.pem"), days: expect.any(Number) });
    clock.set(notAfter + 2 * DAY);
    await look();
    expect(lines).toEqual(["warn tls.expires_soon", "warn tls.expires_soon"]);
    expect(fields[1]?.days).toBeLessThan(0);
  });

  test("at the start, and for one that is not valid yet", async () => {
    expect((await start({}, notAfter - DAY)).lines).toEqual(["warn tls.expires_soon"]);
    watch?.close();
    expect((await start({}, Date.parse("2020-01-01"))).lines).toEqual(["warn tls.not_yet_valid"]);
  });
});
