// Cyrus drops a second copy by itself where Message-ID and Date are the same, and with examples/receivers/mailonce.sieve
// also behind SES.
import { resolve } from "node:path";
import { describe, expect, vi } from "vitest";
import { type Place, test } from "../support/place.ts";
import { type CyrusOptions, hasCyrus, startCyrus } from "./cyrus.ts";
import { deliver, receiverOverLmtp } from "./lmtp.ts";
import { foreign, type Receiver, receives } from "./receiver.ts";

const SCRIPT = resolve("examples/receivers/mailonce.sieve");

const start =
  (options: CyrusOptions) =>
  async (place: Place): Promise<Receiver> =>
    receiverOverLmtp(await startCyrus(place, options));

receives("Cyrus by itself", {
  available: hasCyrus,
  start: start({}),
  copies: { kept: 1, overwritten: 2 },
});

receives("Cyrus with the script", {
  available: hasCyrus,
  start: start({ sieve: SCRIPT }),
  copies: { kept: 1, overwritten: 1 },
});

describe.skipIf(!hasCyrus)("by itself", () => {
  test("it compares the text of Date", async ({ place }) => {
    const cyrus = await startCyrus(place);
    const give = (date: string) =>
      deliver(cyrus.lmtpPort, "user@example.com", foreign({ "Message-ID": "<abc@example.com>", Date: date }));
    await give("Fri, 27 Nov 2026 10:00:00 +0000");
    await give("Fri, 27 Nov 2026 10:00:00 +0000");
    expect(cyrus.mailbox("user")).toHaveLength(1);
    // The same instant.
    await give("Fri, 27 Nov 2026 10:00:00 +0000 (UTC)");
    expect(cyrus.mailbox("user")).toHaveLength(2);
  });

  test("it remembers until cyr_expire -E", async ({ place }) => {
    const cyrus = await startCyrus(place);
    const mail = foreign();
    const give = () => deliver(cyrus.lmtpPort, "user@example.com", mail);
    await give();
    cyrus.tool("cyr_expire", "-E", "3");
    await give();
    expect(cyrus.mailbox("user")).toHaveLength(1);
    await vi.waitFor(() => {
      cyrus.tool("cyr_expire", "-E", "1s");
      expect(cyrus.tool("ctl_deliver", "-d")).not.toContain("id: <");
    }, 10_000);
    await give();
    expect(cyrus.mailbox("user")).toHaveLength(2);
  });
});

test.skipIf(!hasCyrus)(
  "with the script it remembers as the script says, whatever cyr_expire -E",
  async ({ place }) => {
    const cyrus = await startCyrus(place, { sieve: SCRIPT });
    const give = (id: string) =>
      deliver(cyrus.lmtpPort, "user@example.com", foreign({ "X-Mailonce-ID": `<${id}@example.com>` }));
    await give("abc");
    cyrus.tool("cyr_expire", "-E", "0");
    const [, until] =
      /id: mailonce:<abc@example\.com> .*at: (\d+)/.exec(cyrus.tool("ctl_deliver", "-d")) ?? [];
    const DAY_S = 24 * 60 * 60;
    expect(Math.abs(Number(until) - Date.now() / 1000 - 30 * DAY_S)).toBeLessThan(60);
    await give("abc");
    expect(cyrus.mailbox("user")).toHaveLength(1);
  },
);
