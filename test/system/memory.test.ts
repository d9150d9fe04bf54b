// What the gateway's process holds while large mails come in and go out at once. `npm run bench:memory`
// does it at the size that the limits are stated for.
import { expect } from "vitest";
import { largeBody, residentMemory, submitLarge } from "../support/large-mail.ts";
import type { MessageCounts } from "../support/message-counts.ts";
import { type Place, sesAt, smtpAt, test } from "../support/place.ts";
import type { Settings } from "../support/process.ts";

const MESSAGES = 15;
const BODY_OCTETS = 15_000_000;
/** Long enough that many are under way at once, had nothing kept them from it. */
const CHUNK_MS = 1;

/** Octets that resident memory grew by at most until all were relayed. */
async function growth(place: Place, peer: MessageCounts, settings: Settings): Promise<number> {
  const gateway = await place.start(settings);
  const before = residentMemory(gateway.pid).now;
  const replies = await submitLarge(gateway.port, MESSAGES, largeBody(BODY_OCTETS));
  for (const reply of replies) expect(reply).toContain("queued as");
  await gateway.logged("transmission.relayed", MESSAGES);
  expect(peer.counts().size).toBe(MESSAGES);
  expect(peer.repeated()).toEqual([]);
  return residentMemory(gateway.pid).peak - before;
}

test("to a slow SMTP server: contents are streamed in and out", async ({ place }) => {
  const upstream = await place.smtp({ chunkMs: CHUNK_MS });
  const grown = await growth(place, upstream, smtpAt(upstream.port));
  // Less than half of what was under way.
  expect(grown).toBeLessThan(110_000_000);
});

test("to a slow SES: as many at once as the budget takes", async ({ place }) => {
  const upstream = await place.ses({ chunkMs: CHUNK_MS, keepContents: false });
  const grown = await growth(place, upstream, {
    ...sesAt(upstream),
    // For two of them. All at once would be 740 MB.
    UPSTREAM_MEMORY_MAX_BYTES: 120_000_000,
  });
  expect(grown).toBeLessThan(260_000_000);
});
