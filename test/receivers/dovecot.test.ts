// Dovecot with Pigeonhole: by itself it keeps both copies; with examples/receivers/mailonce.sieve, one.
import { readFileSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { describe, expect } from "vitest";
import { readMaildir } from "../support/maildir.ts";
import { runClient } from "../support/peers.ts";
import { type Place, test } from "../support/place.ts";
import { type DovecotOptions, hasDovecot, startDovecot } from "./dovecot.ts";
import { deliver, receiverOverLmtp } from "./lmtp.ts";
import { foreign, type Receiver, receives } from "./receiver.ts";

const SCRIPT = resolve("examples/receivers/mailonce.sieve");

const start =
  (options: DovecotOptions) =>
  async (place: Place): Promise<Receiver> =>
    receiverOverLmtp(await startDovecot(place, options));

receives("Dovecot by itself", {
  available: hasDovecot,
  start: start({}),
  copies: { kept: 2, overwritten: 2 },
});

receives("Dovecot with the script", {
  available: hasDovecot,
  start: start({ sieve: SCRIPT }),
  copies: { kept: 1, overwritten: 1 },
});

test.skipIf(!hasDovecot)("a user's own script does not see the second copy", async ({ place }) => {
  const own = join(place.folder, "own.sieve");
  writeFileSync(own, 'require ["fileinto", "mailbox"]; fileinto :create "Own";\n');
  const plugin = { sieve: `file:${place.folder}/%n.sieve`, sieve_duplicate_max_period: "31d" };
  const dovecot = await startDovecot(place, { sieve: SCRIPT, plugin });
  const mail = foreign({ "X-Mailonce-ID": "<abc@example.com>" });
  for (let copy = 0; copy < 2; copy++) await deliver(dovecot.lmtpPort, "own@example.com", mail);
  expect(readMaildir(join(dovecot.home("own"), "Maildir/.Own"))).toHaveLength(1);
});

/** Seconds until the first entry of its memory expires. The file: a version, then of each entry the time, 4 octets each. */
async function remembersFor(place: Place, options: DovecotOptions): Promise<number> {
  const dovecot = await startDovecot(place, options);
  await deliver(dovecot.lmtpPort, "user@example.com", foreign({ "X-Mailonce-ID": "<abc@example.com>" }));
  await dovecot.stop();
  const file = readFileSync(join(dovecot.home("user"), ".dovecot.lda-dupes"));
  return file.readUInt32LE(4) - Date.now() / 1000;
}

describe.skipIf(!hasDovecot)("how long it remembers", () => {
  const HOUR_S = 60 * 60;
  const DAY_S = 24 * HOUR_S;

  test("as the script says, up to sieve_duplicate_max_period", async ({ place }) => {
    const seconds = await remembersFor(place, { sieve: SCRIPT });
    expect(Math.abs(seconds - 30 * DAY_S)).toBeLessThan(60);
  });

  test("two days by default, whatever the script says", async ({ place }) => {
    const seconds = await remembersFor(place, { sieve: SCRIPT, plugin: {} });
    expect(Math.abs(seconds - 2 * DAY_S)).toBeLessThan(60);
  });

  test("twelve hours where the script says nothing", async ({ place }) => {
    const sieve = join(place.folder, "short.sieve");
    writeFileSync(sieve, 'require "duplicate"; if duplicate :header "x-mailonce-id" { discard; }\n');
    const seconds = await remembersFor(place, { sieve });
    expect(Math.abs(seconds - 12 * HOUR_S)).toBeLessThan(60);
  });
});

test.skipIf(!hasDovecot)("the script compiles without a word", async ({ place }) => {
  const config = join(place.folder, "dovecot.conf");
  writeFileSync(config, "plugin {\n  sieve_duplicate_max_period = 31d\n}\n");
  const compiled = join(place.folder, "mailonce.svbin");
  expect(await runClient("sievec", ["-c", config, SCRIPT, compiled])).toEqual({ code: 0, output: "" });
});
