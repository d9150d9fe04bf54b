// Two SMTP servers as one upstream, the first going wrong in every way it can: the second gets the message
// exactly when the first would take no message at all, and no attempt reaches both.
import { createFailover, createMember } from "../../src/dispatch/failover.ts";
import { systemClock } from "../../src/runtime/clock.ts";
import { silentLog } from "../../src/runtime/log.ts";
import { systemRandom } from "../../src/runtime/random.ts";
import { unlimited } from "../../src/runtime/rate.ts";
import { createSmtpUpstream } from "../../src/upstream/smtp/smtp.ts";
import { smtpExpectations } from "../conformance/smtp-expectations.ts";
import { type Expectation, testUpstream } from "../conformance/upstream.ts";
import { createScriptedSmtp } from "../support/scripted-smtp.ts";
import type { SmtpFault } from "../support/smtp-faults.ts";

const behindOne = (expectation: Expectation): Expectation =>
  expectation.outcome === "down" ? { ...expectation, outcome: "accepted", taken: 1 } : expectation;

const expectations = Object.fromEntries(
  Object.entries(smtpExpectations).map(([fault, expectation]) => [fault, behindOne(expectation)]),
) as Record<SmtpFault, Expectation>;

testUpstream<SmtpFault>({
  name: "failover from one SMTP server to another",
  expectations,
  async setUp(fault) {
    const [first, second] = [await createScriptedSmtp({ script: fault }), await createScriptedSmtp()];
    const memberAt = (port: number) => {
      const upstream = createSmtpUpstream({
        ...{ host: "127.0.0.1", port, tls: "none", hostname: "client.example" },
        timeouts: { connectMs: 400, commandMs: 400, blockMs: 500, replyMs: 500, quitMs: 100 },
      });
      const parts = { clock: systemClock, random: systemRandom, log: silentLog };
      return createMember(upstream, unlimited, parts, { minMs: 5_000, maxMs: 900_000 });
    };
    const members = [memberAt(first.port), memberAt(second.port)] as const;
    const failover = createFailover([...members]);
    return {
      upstream: failover,
      peer: {
        ...first,
        get taken() {
          return [...first.taken, ...second.taken];
        },
      },
      async close() {
        for (const { upstream } of members) await upstream.close();
        await Promise.all([first.close(), second.close()]);
      },
    };
  },
});
