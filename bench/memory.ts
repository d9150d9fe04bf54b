// What 50 connections with messages of 25 MB at once cost in memory, against a slow upstream of each kind.
// Prints the peak of the gateway's resident memory as the kernel counted it (VmHWM).
//
//   npm run bench:memory [-- smtp | ses]
import { join } from "node:path";
import { largeBody, residentMemory, submitLarge } from "../test/support/large-mail.ts";
import type { MessageCounts } from "../test/support/message-counts.ts";
import { makeFolder, type Settings, startProcess } from "../test/support/process.ts";
import { createScriptedSes } from "../test/support/scripted-ses.ts";
import { createScriptedSmtp } from "../test/support/scripted-smtp.ts";

const CONNECTIONS = 50;
const MESSAGE_OCTETS = 25_000_000;
/** 64 KiB at most each 5 ms: about 13 MB a second a connection. */
const CHUNK_MS = 5;

interface Sink {
  readonly peer: MessageCounts & { close(): Promise<void> };
  readonly settings: Settings;
}

const sinks: Readonly<Record<string, () => Promise<Sink>>> = {
  async smtp() {
    const peer = await createScriptedSmtp({ chunkMs: CHUNK_MS });
    const settings = {
      UPSTREAM_SMTP_HOST: "127.0.0.1",
      UPSTREAM_SMTP_PORT: peer.port,
      UPSTREAM_SMTP_TLS: "none",
    };
    return { peer, settings: { UPSTREAM_KIND: "smtp", ...settings } };
  },
  async ses() {
    const peer = await createScriptedSes({ chunkMs: CHUNK_MS });
    return { peer, settings: { UPSTREAM_KIND: "ses", UPSTREAM_SES_ENDPOINT: peer.endpoint } };
  },
};

const credentials = { AWS_REGION: "eu-west-1", AWS_ACCESS_KEY_ID: "bench", AWS_SECRET_ACCESS_KEY: "bench" };
Object.assign(process.env, credentials);

const mebibytes = (octets: number): string => `${(octets / 2 ** 20).toFixed(0)} MiB`;

async function measure(kind: string, makeSink: () => Promise<Sink>): Promise<void> {
  const folder = makeFolder();
  const { peer, settings } = await makeSink();
  const gateway = await startProcess({ DATA_DIR: join(folder.path, "data"), ...settings });
  try {
    const atStart = residentMemory(gateway.pid).now;
    const began = performance.now();
    const replies = await submitLarge(gateway.port, CONNECTIONS, largeBody(MESSAGE_OCTETS));
    const queued = replies.filter((reply) => reply.startsWith("250 2.0.0 queued")).length;
    const afterSubmission = residentMemory(gateway.pid).peak;
    const acceptedMs = performance.now() - began;
    await peer.waitFor(CONNECTIONS);
    await gateway.logged("transmission.relayed", CONNECTIONS);
    const { peak } = residentMemory(gateway.pid);
    console.log(
      `${kind}: ${queued} of ${CONNECTIONS} accepted in ${(acceptedMs / 1000).toFixed(1)} s, ` +
        `${peer.counts().size} relayed in ${((performance.now() - began) / 1000).toFixed(1)} s, ` +
        `${peer.repeated().length} twice; resident ${mebibytes(atStart)} at the start, ` +
        `${mebibytes(afterSubmission)} at most until the last 250, ${mebibytes(peak)} at most`,
    );
  } finally {
    await gateway.stop();
    await peer.close();
    folder.remove();
  }
}

const [, , only] = process.argv;
for (const [kind, makeSink] of Object.entries(sinks)) {
  if (only === undefined || only === kind) await measure(kind, makeSink);
}
