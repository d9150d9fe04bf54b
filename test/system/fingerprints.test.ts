// A mail whose fingerprint takes long holds up no other client. Shown by the order of the replies.
import { expect } from "vitest";
import { test } from "../support/place.ts";
import { connectSmtp } from "../support/smtp-client.ts";

/** About a second of CPU: the slowest content that is decoded whatever its size. */
const SLOW = `From: a@example.com\r\nContent-Type: a/b\r\nContent-Transfer-Encoding: base64\r\n\r\n${"\r\n".repeat(4 * 1024 * 1024)}x\r\n`;
const SMALL = "From: b@example.com\r\nSubject: News\r\n\r\nHello.\r\n";

test("while one mail is decoded, other mails are decoded and answered", async ({ place }) => {
  const gateway = await place.start({ IDENTITY_UNKEYED: "fingerprint" });
  const [slow, other] = await Promise.all([connectSmtp(gateway.port), connectSmtp(gateway.port)]);
  const order: string[] = [];
  const answered = slow.submit({ to: ["slow@example.net"], content: SLOW }).then((reply) => {
    order.push("slow");
    return reply;
  });
  // Each of these is answered before the next is sent.
  for (let n = 0; n < 5; n++) {
    expect(await other.submit({ to: [`other${n}@example.net`], content: SMALL })).toMatch(/^250 /);
    order.push("other");
  }
  expect(await answered).toMatch(/^250 /);
  expect(order.slice(0, 5)).toEqual(Array(5).fill("other"));
  await Promise.all([slow.quit(), other.quit()]);
});
