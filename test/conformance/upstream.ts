// What every upstream owes for every way in which the other side can fail: the outcome, and how many
// messages the other side has afterwards. Run by each upstream with its own table of faults.
import { describe, expect, test } from "vitest";
import type { Outcome, Upstream } from "../../src/upstream/upstream.ts";
import type { MessageCounts } from "../support/message-counts.ts";
import { neverAborted, transmissionOf } from "../support/transmission.ts";

/** An outcome in one word, so that a table of them can be read. */
export type Verdict =
  | "accepted"
  | "doubtful"
  | "transient"
  | "permanent"
  /** transient with scope "upstream" */
  | "upstream";

export interface Expectation {
  readonly outcome: Verdict;
  /** Messages that the other side has taken after one attempt. */
  readonly taken: 0 | 1;
  /** Octets of the body; a few lines unless given. */
  readonly bodyOctets?: number;
}

/** One upstream, set up against a peer that plays the fault. */
export interface UpstreamUnderTest {
  readonly upstream: Upstream;
  readonly peer: MessageCounts;
  close(): Promise<void>;
}

export function verdictOf(outcome: Outcome): Verdict {
  if (outcome.kind !== "refused") return outcome.kind;
  return outcome.scope === "upstream" ? "upstream" : outcome.permanence;
}

export interface UpstreamSuite<Fault extends string> {
  readonly name: string;
  readonly expectations: Readonly<Record<Fault, Expectation>>;
  readonly setUp: (fault: Fault) => Promise<UpstreamUnderTest>;
  /** See TransmissionParts. */
  readonly chunkOctets?: number;
}

/** What one attempt against the peer does that it should not; empty when all is well. */
export async function violations(
  { upstream, peer }: Pick<UpstreamUnderTest, "upstream" | "peer">,
  { outcome: expected, taken, bodyOctets }: Expectation,
  chunkOctets?: number,
): Promise<string[]> {
  const transmission = transmissionOf({
    ...(bodyOctets === undefined ? {} : { bodyOctets }),
    ...(chunkOctets === undefined ? {} : { chunkOctets }),
  });
  const outcome = await upstream.transmit(transmission, neverAborted);
  const count = peer.taken.length;
  const wrong: string[] = [];
  // The three that would break a promise (P3, P5), whatever the table says.
  if (outcome.kind === "refused" && count > 0) wrong.push("refused, yet taken");
  if (outcome.kind === "accepted" && count === 0) wrong.push("accepted, yet not taken");
  if (count > 1) wrong.push("taken twice in one attempt");
  const verdict = verdictOf(outcome);
  if (verdict !== expected) wrong.push(`${verdict}, not ${expected}: ${JSON.stringify(outcome)}`);
  if (count !== taken) wrong.push(`${count} taken, not ${taken}`);
  if (!hasOneLine(outcome)) wrong.push("its text is not one printable line");
  return wrong;
}

export function testUpstream<Fault extends string>(suite: UpstreamSuite<Fault>): void {
  describe(suite.name, () => {
    const table = Object.entries(suite.expectations) as [Fault, Expectation][];
    test.each(table)("%s", async (fault, expectation) => {
      const tested = await suite.setUp(fault);
      try {
        expect(await violations(tested, expectation, suite.chunkOctets)).toEqual([]);
      } finally {
        await tested.upstream.close();
        await tested.close();
      }
    });

    test("an attempt that is aborted before it begins reaches nobody", async () => {
      const { upstream, peer, close } = await suite.setUp(table[0]?.[0] as Fault);
      const outcome = await upstream.transmit(transmissionOf(), AbortSignal.abort());
      expect(verdictOf(outcome)).toBe("transient");
      expect(peer.taken).toHaveLength(0);
      await upstream.close();
      await close();
    });
  });
}

function hasOneLine(outcome: Outcome): boolean {
  const text =
    outcome.kind === "refused"
      ? outcome.reply
      : outcome.kind === "doubtful"
        ? outcome.cause
        : outcome.upstreamId;
  return text.length > 0 && text.length <= 500 && !/\p{Cc}/u.test(text);
}
