// What the gateway's process holds while large mails come in and go out at once. `npm run bench:memory`
// does it at the size that the limits are stated for.
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { largeBody, residentMemory, submitLarge } from "../support/large-mail.ts";
import type { MessageCounts } from "../support/message-counts.ts";
import { type GatewayProcess, makeFolder, type Settings, startProcess } from "../support/process.ts";
import { createScriptedSes } from "../support/scripted-ses.ts";
import { createScriptedSmtp } from "../support/scripted-smtp.ts";

const MESSAGES = 15;
const BODY_OCTETS = 15_000_000;
/** Long enough that many are under way at once, had nothing kept them from it. */
const CHUNK_MS = 1;

/** For the SDK of the gateway's process, which finds no others here. */
Object.assign(process.env, { AWS_ACCESS_KEY_ID: "test", AWS_SECRET_ACCESS_KEY: "test" });

let folder: ReturnType<typeof makeFolder>;
let gateway: GatewayProcess | undefined;
let peer: (MessageCounts & { close(): Promise<void> }) | undefined;

beforeEach(() => {
  folder = makeFolder();
});
afterEach(async () => {
  await gateway?.kill();
  await peer?.close();
  gateway = undefined;
  folder.remove();
});

/** Octets that resident memory grew by at most until all were relayed. */
async function growth(settings: Settings): Promise<number> {
  gateway = await startProcess({ DATA_DIR: join(folder.path, "data"), ...settings });
  const before = residentMemory(gateway.pid).now;
  const replies = await submitLarge(gateway.port, MESSAGES, largeBody(BODY_OCTETS));
  for (const reply of replies) expect(reply).toContain("queued as");
  await gateway.logged("transmission.relayed", MESSAGES);
  expect(peer?.counts().size).toBe(MESSAGES);
  expect(peer?.repeated()).toEqual([]);
  return residentMemory(gateway.pid).peak - before;
}

test("to a slow SMTP server: contents are streamed in and out", async () => {
  const upstream = await createScriptedSmtp({ chunkMs: CHUNK_MS });
  peer = upstream;
  const grown = await growth({
    UPSTREAM_KIND: "smtp",
    UPSTREAM_SMTP_HOST: "127.0.0.1",
    UPSTREAM_SMTP_PORT: upstream.port,
    UPSTREAM_SMTP_TLS: "none",
  });
  // Less than half of what was under way.
  expect(grown).toBeLessThan(110_000_000);
});

test("to a slow SES: as many at once as the budget takes", async () => {
  const upstream = await createScriptedSes({ chunkMs: CHUNK_MS });
  peer = upstream;
  const grown = await growth({
    UPSTREAM_KIND: "ses",
    UPSTREAM_SES_ENDPOINT: upstream.endpoint,
    UPSTREAM_SES_REGION: "eu-west-1",
    // For two of them. All at once would be 740 MB.
    UPSTREAM_MEMORY_MAX_BYTES: 120_000_000,
  });
  expect(grown).toBeLessThan(260_000_000);
});
