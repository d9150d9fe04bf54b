// A suite that can't fail proves nothing: each of these upstreams has one defect, and it is found.
import { afterEach, expect, test } from "vitest";
import { createSmtpUpstream } from "../../src/upstream/smtp/smtp.ts";
import type { Outcome, Upstream } from "../../src/upstream/upstream.ts";
import { type Expectation, violations } from "../conformance/upstream.ts";
import { createScriptedSmtp, type ScriptedSmtp } from "../support/scripted-smtp.ts";
import type { SmtpFault } from "../support/smtp-faults.ts";

let peer: ScriptedSmtp;
afterEach(() => peer.close());

const later: Outcome = { kind: "later", reply: "lost" };
const doubtful: Expectation = { outcome: "doubtful", taken: 1 };

type Defect = (sound: Upstream["transmit"]) => Upstream["transmit"];
const instead =
  (kind: Outcome["kind"], other: Outcome): Defect =>
  (sound) =>
  async (...attempt) => {
    const outcome = await sound(...attempt);
    return outcome.kind === kind ? other : outcome;
  };

test.each<[string, SmtpFault, Expectation, Defect, string]>([
  [
    ...(["guesses that a lost reply was a refusal", "drop-before-reply", doubtful] as const),
    ...([instead("doubtful", later), "refused, yet taken"] as const),
  ],
  [
    ...(["guesses that a lost reply was an acceptance", "drop-untaken", { ...doubtful, taken: 0 }] as const),
    instead("doubtful", { kind: "accepted", upstreamId: "x" }),
    "accepted, yet not taken",
  ],
  [
    ...(["tries again by itself", "drop-before-reply", doubtful] as const),
    (sound) =>
      async (...attempt) => {
        await sound(...attempt);
        return await sound(...attempt);
      },
    "taken twice in one attempt",
  ],
  [
    ...(["hands on what the server said as it is", "refuse-rcpt-4"] as const),
    { outcome: "later", taken: 0 },
    ...([instead("later", { ...later, reply: "450-no\r\n450 no" }), "not one printable line"] as const),
  ],
])("%s", async (_, fault, expectation, defect, violation) => {
  peer = await createScriptedSmtp({ script: fault });
  const where = { host: "127.0.0.1", port: peer.port, tls: "none", hostname: "client.example" } as const;
  const sound = createSmtpUpstream(where);
  expect(await violations({ upstream: sound, peer }, expectation), "without the defect").toEqual([]);
  await peer.close();

  peer = await createScriptedSmtp({ script: fault });
  const upstream = createSmtpUpstream({ ...where, port: peer.port });
  const broken = { ...upstream, transmit: defect(upstream.transmit) };
  const found = await violations({ upstream: broken, peer }, expectation);
  expect(found.join("\n")).toContain(violation);
});
