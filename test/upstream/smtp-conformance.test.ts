import { createSmtpUpstream } from "../../src/upstream/smtp/smtp.ts";
import { smtpExpectations as expectations } from "../conformance/smtp-expectations.ts";
import { testUpstream } from "../conformance/upstream.ts";
import { createScriptedSmtp } from "../support/scripted-smtp.ts";
import type { SmtpFault } from "../support/smtp-faults.ts";

const variants = [
  { name: "with PIPELINING", pipelining: true },
  { name: "without PIPELINING", pipelining: false },
  { name: "from a file", pipelining: true, chunks: { chunkOctets: 100 } },
];

for (const { name, pipelining, chunks } of variants) {
  testUpstream<SmtpFault>({
    name: `smtp, ${name}`,
    expectations,
    ...chunks,
    async setUp(fault) {
      const extensions = ["8BITMIME", ...(pipelining ? ["PIPELINING"] : [])];
      const peer = await createScriptedSmtp({ script: fault, extensions });
      const upstream = createSmtpUpstream({
        ...{ host: "127.0.0.1", port: peer.port, tls: "none", hostname: "client.example" },
        timeouts: { connectMs: 400, commandMs: 400, blockMs: 500, replyMs: 500, quitMs: 100 },
      });
      return { upstream, peer, close: () => peer.close() };
    },
  });
}
