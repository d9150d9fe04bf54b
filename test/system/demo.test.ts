// `mailonce demo` beside a running gateway: three mails relayed of six submitted; and no mail to strangers.
import { expect } from "vitest";
import { readMaildir } from "../support/maildir.ts";
import { freePort } from "../support/peers.ts";
import { smtpAt, test } from "../support/place.ts";
import { run } from "../support/process.ts";

test("three mails are relayed of six, and shown with their ids", async ({ place }) => {
  const gateway = await place.start();
  const { code, stdout, stderr } = await run(["demo"], { DATA_DIR: place.data, SMTP_PORT: gateway.port });
  expect([code, stderr]).toEqual([0, ""]);
  expect(stdout.match(/queued as/g)).toHaveLength(3);
  expect(stdout.match(/repeat of/g)).toHaveLength(3);
  const shown = stdout.split(`Relayed, as found in ${place.outbox}/new:\n`)[1] ?? "";
  expect(shown.match(/^ {2}(ada|grace|edsger)@example\.com +<[a-z2-7]{32}@sender\.example>$/gm)).toHaveLength(
    3,
  );
  expect(readMaildir(place.outbox)).toHaveLength(3);
});

test("a gateway that observes relays all six", async ({ place }) => {
  const settings = { DATA_DIR: place.data, IDENTITY_MODE: "observe" };
  const gateway = await place.start(settings);
  const { code, stdout } = await run(["demo"], { ...settings, SMTP_PORT: gateway.port });
  expect(code).toBe(0);
  expect(stdout.match(/queued as/g)).toHaveLength(6);
  expect(readMaildir(place.outbox)).toHaveLength(6);
});

test("where mail would leave the machine none is submitted", async ({ place }) => {
  const upstream = await place.smtp();
  const settings = { DATA_DIR: place.data, ...smtpAt(upstream.port) };
  const gateway = await place.start(settings);
  const { code, stderr } = await run(["demo"], { ...settings, SMTP_PORT: gateway.port });
  expect([code, stderr]).toEqual([
    2,
    "mailonce: the demo mails strangers: it is for a gateway whose upstream is a Maildir, as it is without settings\n",
  ]);
  expect(gateway.said("submission.accepted")).toEqual([]);
});

test("without a gateway it says where it looked", async ({ place }) => {
  const port = await freePort();
  const { code, stderr } = await run(["demo"], { DATA_DIR: place.data, SMTP_PORT: port });
  expect(code).toBe(1);
  expect(stderr).toMatch(
    new RegExp(`^mailonce: no mail was taken at 127\\.0\\.0\\.1:${port}: .*ECONNREFUSED`),
  );
});
