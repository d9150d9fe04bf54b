// What one new mail costs in all counters together, with nothing else: what each part calls while a mail is received,
// accepted, attempted and relayed, in the order in which it happens.
//
//   npm run bench:counters [-- --mails 1000000 --turns 7]
import { parseArgs } from "node:util";
import { countedUpstream } from "../src/dispatch/counted.ts";
import { createCounters } from "../src/metrics/counters.ts";
import { createSubmissionCounting } from "../src/submission/counting.ts";
import type { Outcome, Transmission, Upstream } from "../src/upstream/upstream.ts";
import { median } from "./support/statistics.ts";

const { values } = parseArgs({
  options: { mails: { type: "string", default: "1000000" }, turns: { type: "string", default: "7" } },
});
const mails = Number(values.mails);

/** Each reply that the client of a kept connection gets for a mail: to MAIL, RCPT, DATA and the content. */
const REPLIES = [250, 250, 354, 250];

/**
 * Commits a mail: accepted, attempted, settled, out of the spool. On an idle gateway it has all four for itself; under
 * load each is shared by several mails.
 */
const COMMITS = { "an idle gateway": 4, "a commit for four mails": 1 };

const KEYING = { task: "task", canConflict: true, keepMessageId: false } as Parameters<
  ReturnType<typeof createSubmissionCounting>["decided"]
>[1];

const ACCEPTED: Promise<Outcome> = Promise.resolve({ kind: "accepted", upstreamId: "1" });
const upstream = { transmit: () => ACCEPTED } as unknown as Upstream;
const [transmission, signal] = [{} as Transmission, new AbortController().signal];

interface Counting {
  readonly replies: (code: number) => void;
  readonly submission: Pick<ReturnType<typeof createSubmissionCounting>, "received" | "decided">;
  readonly upstream: Upstream;
  readonly relayed: (seconds: number) => void;
  readonly lookedUp: () => void;
  readonly commit: () => void;
}

function counting(): Counting {
  const counters = createCounters();
  const relaySeconds = counters.relaySeconds.of("upstream");
  return {
    replies: (code) => counters.replies.add(code),
    submission: createSubmissionCounting(counters),
    upstream: countedUpstream("upstream", upstream, counters),
    relayed: relaySeconds.observe,
    lookedUp: () => counters.lookups.add("absent"),
    commit() {
      const began = counters.elapsed();
      counters.commitSeconds.observe(counters.elapsed() - began);
      counters.commitSize.observe(1);
    },
  };
}

/** The same calls, counting nothing. */
const nothing = (): Counting => ({
  replies: () => {},
  submission: { received: () => (answer) => answer, decided: () => {} },
  upstream,
  relayed: () => {},
  lookedUp: () => {},
  commit: () => {},
});

const DECIDED = { claimed: [1], repeats: [], awaited: [], observed: [] };

/** Nanoseconds of processor time a mail, whatever else the machine does. */
async function measure(make: () => Counting, commits: number): Promise<number> {
  const { replies, submission, upstream: called, relayed, lookedUp, commit } = make();
  const began = process.cpuUsage();
  for (let mail = 0; mail < mails; mail++) {
    for (const code of REPLIES) replies(code);
    const replied = submission.received();
    lookedUp();
    submission.decided(DECIDED, KEYING);
    replied({ code: 250 });
    for (let count = 0; count < commits; count++) commit();
    await called.transmit(transmission, signal);
    relayed(0.01);
  }
  const { user, system } = process.cpuUsage(began);
  return ((user + system) * 1_000) / mails;
}

console.log("| | ns a mail in all counters | of the loop without |\n| --- | ---: | ---: |");
for (const [name, commits] of Object.entries(COMMITS)) {
  const found = { counting: [] as number[], nothing: [] as number[] };
  for (let turn = 0; turn < Number(values.turns); turn++) {
    found.counting.push(await measure(counting, commits));
    found.nothing.push(await measure(nothing, commits));
  }
  const [counted, uncounted] = [median(found.counting), median(found.nothing)];
  console.log(`| ${name} | ${(counted - uncounted).toFixed(0)} | ${uncounted.toFixed(0)} |`);
}
