// What certificates are taken, what is said about bad ones, and what a listener then speaks: with node:tls,
// with OpenSSL's client, and through smtp-server.
import { spawn } from "node:child_process";
import { once } from "node:events";
import { chmodSync, rmSync } from "node:fs";
import type { AddressInfo } from "node:net";
import { type ConnectionOptions, connect, type TLSSocket } from "node:tls";
import { SMTPServer } from "smtp-server";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { loadTls, TlsError, type TlsFiles } from "../../src/listeners/tls/certificates.ts";
import { clientUser } from "../../src/listeners/tls/client-user.ts";
import { createManualClock } from "../support/manual-clock.ts";
import { makeTlsPlace, type TlsPlace } from "./tls-place.ts";

let place: TlsPlace;
beforeEach(() => {
  place = makeTlsPlace();
});
afterEach(() => place.remove());

const filesOf = (cert = "server", more: Partial<TlsFiles> = {}): TlsFiles => ({
  certFile: place.path(`${cert}.pem`),
  keyFile: place.path(`${cert}-key.pem`),
  minVersion: "1.2",
  ...more,
});
const mutual = (crl?: string): Partial<TlsFiles> => ({
  clientCaFile: place.path("ca.pem"),
  ...(crl === undefined ? {} : { clientCrlFile: place.path(crl) }),
});

async function faultsOf(files: TlsFiles): Promise<readonly string[]> {
  try {
    await loadTls(files);
  } catch (error) {
    expect(error).toBeInstanceOf(TlsError);
    expect((error as Error).message).toBe((error as TlsError).faults.join("\n"));
    return (error as TlsError).faults;
  }
  return [];
}

describe("faults", () => {
  test("good files have none", async () => {
    const { names, warnings, options, notAfter } = await loadTls(filesOf());
    expect({ names, warnings }).toEqual({
      names: ["localhost", "127.0.0.1", "0:0:0:0:0:0:0:1"],
      warnings: [],
    });
    // The suites alone keep TLS 1.1 out too, so the handshake below can't tell.
    expect([options.minVersion, options.requestCert]).toEqual(["TLSv1.2", false]);
    // Not those of Node: no client is asked for a certificate.
    expect(options.ca).toEqual([]);
    expect(new Date(notAfter).getUTCFullYear()).toBe(2126);
    expect(await faultsOf(filesOf("server", mutual("crl.pem")))).toEqual([]);
  });

  test("all are said at once", async () => {
    place.put("server.pem", "nothing");
    chmodSync(place.path("server-key.pem"), 0o644);
    place.put("ca.pem", place.read("ca.pem").replace("MII", "AAA"));
    rmSync(place.path("crl.pem"));
    const faults = await faultsOf(filesOf("server", mutual("crl.pem")));
    expect(faults).toEqual([
      expect.stringMatching(/crl\.pem: can't be read: ENOENT/),
      expect.stringMatching(/server\.pem: no certificate in it \(PEM\)$/),
      expect.stringMatching(/server-key\.pem: others can read this key \(mode 644\): chmod 600$/),
      expect.stringMatching(/ca\.pem: certificate 1 is damaged$/),
    ]);
  });

  test("a key of another certificate", async () => {
    const files = { ...filesOf(), keyFile: place.path("client-key.pem") };
    expect(await faultsOf(files)).toEqual([expect.stringContaining("client-key.pem: does not belong to")]);
  });

  test("a chain in the wrong order", async () => {
    place.put("server.pem", place.read("ca.pem") + place.read("server.pem"));
    expect(await faultsOf(filesOf())).toEqual([expect.stringContaining("must be the first")]);
  });

  test("a certificate cut short, alone and behind a good one", async () => {
    const whole = place.read("server.pem");
    for (const text of [whole.slice(0, -40), whole + whole.slice(0, 300)]) {
      place.put("server.pem", text);
      expect(await faultsOf(filesOf())).toEqual([expect.stringContaining("a certificate in it has no end")]);
    }
  });

  test("no key, an encrypted key, a key that a group may read", async () => {
    place.put("server-key.pem", "");
    expect(await faultsOf(filesOf())).toEqual([expect.stringContaining("no private key in it")]);
    place.put(
      "server-key.pem",
      "-----BEGIN ENCRYPTED PRIVATE KEY-----\nMII\n-----END ENCRYPTED PRIVATE KEY-----\n",
    );
    expect(await faultsOf(filesOf())).toEqual([expect.stringContaining("is encrypted")]);
    place.put("server-key.pem", place.read("cert.pem"));
    expect(await faultsOf(filesOf())).toEqual([expect.stringContaining("no private key in it")]);
    chmodSync(place.path("server-renewed-key.pem"), 0o640);
    expect(await faultsOf(filesOf("server-renewed"))).toEqual([]);
  });

  test("no fault holds any of a key", async () => {
    const key = place.read("server-key.pem");
    place.put("server-key.pem", key.replace("-----END", "-----END OF"));
    const [line = ""] = key.split("\n").filter((text) => !text.startsWith("-"));
    expect((await faultsOf(filesOf())).join()).not.toContain(line.slice(0, 8));
  });

  test("revocations that are none, and without an authority", async () => {
    expect(await faultsOf(filesOf("server", mutual("ca.pem")))).toEqual([
      expect.stringContaining("ca.pem: no revocation list in it"),
    ]);
    expect(await faultsOf(filesOf("server", { clientCrlFile: place.path("crl.pem") }))).toEqual([
      expect.stringContaining("no authority vouches for any"),
    ]);
  });

  test("expired and not yet valid are warnings", async () => {
    const { notBefore, notAfter } = await loadTls(filesOf());
    const clock = createManualClock();
    clock.set(notAfter + 1000);
    expect((await loadTls(filesOf(), clock)).warnings).toEqual([expect.stringContaining("expired on 2126-")]);
    clock.set(notBefore - 1000);
    expect((await loadTls(filesOf(), clock)).warnings).toEqual([
      expect.stringContaining("is not valid before"),
    ]);
  });
});

/** smtp-server with what was loaded, on implicit TLS; resolves with what `clientUser` said of each session. */
async function serve(files: TlsFiles) {
  const { options } = await loadTls(files);
  const users: (string | undefined)[] = [];
  const server = new SMTPServer({ ...options, secure: true, logger: false, disableReverseLookup: true });
  const connectOf = server.connect.bind(server);
  server.connect = (socket, socketOptions) => {
    users.push(clientUser(socket as TLSSocket));
    connectOf(socket, socketOptions);
  };
  server.on("error", () => {});
  await new Promise<void>((resolve) => void server.listen(0, "127.0.0.1", resolve));
  const { port } = server.server.address() as AddressInfo;
  /** Resolves with the greeting, or "refused". */
  const greet = (client: ConnectionOptions = {}): Promise<{ greeting: string; socket: TLSSocket }> =>
    new Promise((resolve) => {
      const ca = place.read("ca.pem");
      const socket = connect({ port, host: "127.0.0.1", servername: "localhost", ca, ...client });
      socket.once("data", (data) => resolve({ greeting: data.toString("latin1"), socket }));
      socket.once("error", () => resolve({ greeting: "refused", socket }));
      socket.once("close", () => resolve({ greeting: "refused", socket }));
    });
  const close = (): Promise<void> => {
    for (const connection of server.connections) connection.close();
    return new Promise((resolve) => server.close(() => resolve()));
  };
  return { server, port, users, greet, close };
}

/** OpenSSL's client: all it prints, until it has read `until` or ended. */
async function sClient(
  port: number,
  args: readonly string[],
  until?: RegExp,
  input?: string,
): Promise<string> {
  const all = ["s_client", "-connect", `127.0.0.1:${port}`, "-servername", "localhost", ...args];
  const child = spawn("openssl", all);
  let output = "";
  let asked = false;
  const hear = (data: Buffer): void => {
    output += data.toString("latin1");
    if (input !== undefined && !asked && output.includes("220 ")) {
      asked = true;
      child.stdin.write(input);
    }
    if (until?.test(output)) child.kill();
  };
  child.stdout.on("data", hear);
  child.stderr.on("data", hear);
  await once(child, "close");
  return output;
}

describe("what is spoken", () => {
  test.each([
    ["-tls1_3", "TLS_AES_256_GCM_SHA384"],
    ["-tls1_2", "ECDHE-ECDSA-AES256-GCM-SHA384"],
  ])("openssl s_client %s", async (version, cipher) => {
    const { port, close } = await serve(filesOf());
    const said = await sClient(port, [version, "-CAfile", place.path("ca.pem")], /220 .*ESMTP/);
    expect(said).toContain("Verify return code: 0 (ok)");
    expect(said).toContain(cipher);
    await close();
  });

  test.each([
    ["TLS 1.1", ["-tls1_1", "-cipher", "ALL:@SECLEVEL=0"]],
    ["CBC", ["-tls1_2", "-cipher", "ECDHE-ECDSA-AES128-SHA:ECDHE-ECDSA-AES256-SHA384:@SECLEVEL=0"]],
    ["no forward secrecy", ["-tls1_2", "-cipher", "AES128-GCM-SHA256:AES256-SHA:@SECLEVEL=0"]],
  ])("%s is refused", async (_, args) => {
    const { port, close } = await serve(filesOf());
    const said = await sClient(port, args, /220 /);
    expect(said).not.toContain("220 ");
    expect(said).toContain("Cipher is (NONE)");
    await close();
  });

  test("with 1.3 as the least, 1.2 is refused", async () => {
    const { greet, close } = await serve(filesOf("server", { minVersion: "1.3" }));
    expect((await greet({ maxVersion: "TLSv1.2" })).greeting).toBe("refused");
    expect((await greet()).greeting).toMatch(/^220 /);
    await close();
  });

  test("renegotiation is refused", async () => {
    const { port, close } = await serve(filesOf());
    const said = await sClient(
      port,
      ["-tls1_2"],
      /no renegotiation|RENEGOTIATING[\s\S]*Verify return/,
      "R\n",
    );
    expect(said).toMatch(/no renegotiation/);
    await close();
  });

  test.each(["TLSv1.2", "TLSv1.3"] as const)("no %s session is resumed", async (version) => {
    const { greet, close } = await serve(filesOf("server", mutual()));
    const sessions: Buffer[] = [];
    const first = connectOptions(version);
    const { socket } = await greet(first);
    socket.on("session", (session) => sessions.push(session));
    const session = socket.getSession() ?? sessions[0];
    expect(session).toBeDefined();
    const again = await greet({ ...first, session: session as Buffer });
    expect(again.greeting).toMatch(/^220 /);
    expect(again.socket.isSessionReused()).toBe(false);
    await close();
  });
  const connectOptions = (version: "TLSv1.2" | "TLSv1.3"): ConnectionOptions => ({
    minVersion: version,
    maxVersion: version,
  });
});

describe("clientUser", () => {
  const with_ = (name: string): ConnectionOptions => ({
    cert: place.read(`${name}.pem`),
    key: place.read(`${name}-key.pem`),
  });
  const cases: [string, string | undefined, string | undefined, string | undefined][] = [
    // certificate, without a list, nobody revoked, one revoked
    ["client", "app", "app", "app"],
    ["client-revoked", "revoked", "revoked", undefined],
    ["client-other", undefined, undefined, undefined],
    ["client-email", "team@app.example", "team@app.example", "team@app.example"],
    ["client-nameless", undefined, undefined, undefined],
    // Of the same authority, but for servers.
    ["server", undefined, undefined, undefined],
  ];

  test.each(["TLSv1.2", "TLSv1.3"] as const)("%s: who is who", async (maxVersion) => {
    for (const [at, crl] of [undefined, "crl-empty.pem", "crl.pem"].entries()) {
      const { greet, users, close } = await serve(filesOf("server", mutual(crl)));
      for (const [name] of cases) {
        // Nobody is turned away: they are nobody, that is all.
        expect((await greet({ ...with_(name), maxVersion })).greeting).toMatch(/^220 /);
      }
      expect((await greet({ maxVersion })).greeting).toMatch(/^220 /);
      expect(users).toEqual([...cases.map((line) => line[at + 1]), undefined]);
      await close();
    }
  });

  test("a list past its next update vouches for nobody", async () => {
    const { greet, users, close } = await serve(filesOf("server", mutual("crl-expired.pem")));
    await greet(with_("client"));
    expect(users).toEqual([undefined]);
    await close();
  });

  test("nobody is asked without an authority, and the public ones vouch for nobody", async () => {
    const { greet, users, close } = await serve(filesOf());
    await greet(with_("client"));
    expect(users).toEqual([undefined]);
    await close();
  });
});
