// What every upstream owes for every way in which the other side can fail: the outcome, and how many
// messages the other side has afterwards. Run by each upstream with its own table of faults.
import { describe, expect, test } from "vitest";
import type { Outcome, Upstream } from "../../src/upstream/upstream.ts";
import type { MessageCounts } from "../support/message-counts.ts";
import { neverAborted, transmissionOf } from "../support/transmission.ts";

export interface Expectation {
  readonly outcome: Outcome["kind"];
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
  if (isUntaken(outcome) && count > 0) wrong.push("refused, yet taken");
  if (outcome.kind === "accepted" && count === 0) wrong.push("accepted, yet not taken");
  if (count > 1) wrong.push("taken twice in one attempt");
  const kind = kindOf(outcome);
  if (kind !== expected) wrong.push(`${kind}, not ${expected}: ${JSON.stringify(outcome)}`);
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
      expect(kindOf(outcome)).toBe("later");
      expect(peer.taken).toHaveLength(0);
      await upstream.close();
      await close();
    });
  });
}

/** In one word, so that a table of outcomes can be read. */
export const kindOf = ({ kind }: Outcome): Outcome["kind"] => kind;

/** It says that the other side does not have the message. */
const isUntaken = ({ kind }: Outcome): boolean => kind !== "accepted" && kind !== "doubtful";

const textOf = (outcome: Outcome): string => {
  if (outcome.kind === "accepted") return outcome.upstreamId;
  return outcome.kind === "doubtful" ? outcome.cause : outcome.reply;
};

function hasOneLine(outcome: Outcome): boolean {
  const text = textOf(outcome);
  return text.length > 0 && text.length <= 500 && !/\p{Cc}/u.test(text);
}
