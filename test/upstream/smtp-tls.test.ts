import { readFileSync } from "node:fs";
import { afterEach, describe, expect, test } from "vitest";
import { createSmtpUpstream, type SmtpUpstreamOptions } from "../../src/upstream/smtp/smtp.ts";
import { kindOf } from "../conformance/upstream.ts";
import { createScriptedSmtp, type ScriptedSmtp, type ScriptedSmtpOptions } from "../support/scripted-smtp.ts";
import { neverAborted, transmissionOf } from "../support/transmission.ts";

const read = (name: string) => readFileSync(new URL(`../../fixtures/tls/${name}`, import.meta.url), "utf8");
const [key, cert] = [read("key.pem"), read("cert.pem")];
const starttls = { key, cert, mode: "starttls" } as const;
const implicit = { key, cert, mode: "implicit" } as const;
const auth = { username: "relay", password: "pass word" };
const trusted = { tlsOptions: { ca: cert } };

let peer: ScriptedSmtp;
afterEach(() => peer.close());

async function attempt(serve: ScriptedSmtpOptions, use: Partial<SmtpUpstreamOptions>) {
  peer = await createScriptedSmtp(serve);
  const upstream = createSmtpUpstream({
    ...{ host: "127.0.0.1", port: peer.port, tls: "none", hostname: "client.example" },
    ...{ timeouts: { connectMs: 2_000, commandMs: 2_000, quitMs: 100 }, ...use },
  });
  const outcome = await upstream.transmit(transmissionOf(), neverAborted);
  await upstream.close();
  return kindOf(outcome);
}

const commands = () => peer.commands.map((command) => command.split(" ")[0]);

describe("TLS required", () => {
  test("a trusted certificate: STARTTLS before MAIL", async () => {
    expect(await attempt({ tls: starttls }, { tls: "required", ...trusted })).toBe("accepted");
    expect(commands().slice(0, 4)).toEqual(["EHLO", "STARTTLS", "EHLO", "MAIL"]);
  });

  test("no STARTTLS: nothing is sent", async () => {
    expect(await attempt({}, { tls: "required" })).toBe("down");
    expect(commands()).not.toContain("MAIL");
  });

  test("a certificate that nobody vouches for: nothing is sent", async () => {
    expect(await attempt({ tls: starttls, auth }, { tls: "required", ...auth })).toBe("down");
    expect(commands()).toEqual(["EHLO", "STARTTLS"]);
  });

  test("a certificate for another name: nothing is sent", async () => {
    const other = { tlsOptions: { ca: cert, servername: "other.example" } };
    expect(await attempt({ tls: starttls }, { tls: "required", ...other })).toBe("down");
    expect(commands()).not.toContain("MAIL");
  });
});

describe("TLS opportunistic", () => {
  test("any certificate will do", async () => {
    expect(await attempt({ tls: starttls }, { tls: "opportunistic" })).toBe("accepted");
    expect(commands()).toContain("STARTTLS");
  });

  test("no STARTTLS: plain text", async () => {
    expect(await attempt({}, { tls: "opportunistic" })).toBe("accepted");
    expect(commands()).not.toContain("STARTTLS");
  });

  test("a password is never sent in plain text", async () => {
    expect(await attempt({ auth }, { tls: "opportunistic", ...auth })).toBe("down");
    expect(commands()).toEqual(["EHLO"]);
  });

  test("a password is not for any certificate", async () => {
    expect(await attempt({ tls: starttls, auth }, { tls: "opportunistic", ...auth })).toBe("down");
    expect(commands()).not.toContain("AUTH");
  });
});

describe("TLS implicit", () => {
  test("a trusted certificate", async () => {
    expect(await attempt({ tls: implicit }, { tls: "implicit", ...trusted })).toBe("accepted");
  });

  test("a certificate that nobody vouches for", async () => {
    expect(await attempt({ tls: implicit }, { tls: "implicit" })).toBe("down");
    expect(commands()).toEqual([]);
  });

  test("a server that speaks plain text", async () => {
    expect(await attempt({}, { tls: "implicit", ...trusted })).toBe("down");
  });
});

test("TLS none stays in plain text though STARTTLS is offered", async () => {
  expect(await attempt({ tls: starttls }, { tls: "none" })).toBe("accepted");
  expect(commands()).not.toContain("STARTTLS");
});

describe("AUTH", () => {
  const use = { tls: "required", ...trusted } as const;

  test("the right password", async () => {
    expect(await attempt({ tls: starttls, auth }, { ...use, ...auth })).toBe("accepted");
    expect(commands()).toContain("AUTH");
  });

  test("a wrong password makes the queue wait and loses nothing", async () => {
    const wrong = { ...auth, password: "guess" };
    expect(await attempt({ tls: starttls, auth }, { ...use, ...wrong })).toBe("down");
  });

  test("no password where one is demanded, likewise", async () => {
    expect(await attempt({ tls: starttls, auth }, use)).toBe("down");
  });

  test("not offered", async () => {
    expect(await attempt({ tls: starttls }, { ...use, ...auth })).toBe("down");
  });
});
