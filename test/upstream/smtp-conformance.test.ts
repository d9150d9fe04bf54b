import { createSmtpUpstream } from "../../src/upstream/smtp.ts";
import { smtpExpectations as expectations } from "../conformance/smtp-expectations.ts";
import { testUpstream } from "../conformance/upstream.ts";
import { createScriptedSmtp } from "../support/scripted-smtp.ts";
import type { SmtpFault } from "../support/smtp-faults.ts";

for (const pipelining of [true, false]) {
  testUpstream<SmtpFault>({
    name: `smtp, ${pipelining ? "with" : "without"} PIPELINING`,
    expectations,
    async setUp(fault) {
      const extensions = ["8BITMIME", ...(pipelining ? ["PIPELINING"] : [])];
      const peer = await createScriptedSmtp({ script: fault, extensions });
      const upstream = createSmtpUpstream({
        ...{ host: "127.0.0.1", port: peer.port, tls: "none", hostname: "client.example" },
        timeouts: { connectMs: 150, commandMs: 150, blockMs: 300, replyMs: 300, quitMs: 100 },
      });
      return { upstream, peer, close: () => peer.close() };
    },
  });
}
