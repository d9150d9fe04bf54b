// Gateways broken on purpose in how failures are reported and in whom a refusal concerns; see broken.ts.
import type { World } from "../../src/relay.ts";
import type { Operation } from "../../src/storage/storage.ts";
import type { Outcome, Transmission } from "../../src/upstream/upstream.ts";
import type { BrokenGateway } from "./broken.ts";
import { EVERYONE } from "./people.ts";
import type { Defect } from "./simulate.ts";
import { isSpooled, SPOOL, withStore, withTransmit } from "./worlds.ts";

const SUBMISSION = "s".charCodeAt(0);

const textOf = (octets: Uint8Array): string => Buffer.from(octets).toString("latin1");
const isPut = (operation: Operation): operation is Extract<Operation, { type: "put" }> =>
  operation.type === "put";
const isAccept = (operation: Operation): boolean => isPut(operation) && operation.key[0] === SUBMISSION;
/** A transmission that waits for its report. */
const isEnd = (operation: Operation): boolean =>
  isPut(operation) && isSpooled(operation.key) && textOf(operation.value).includes('"ended":{');

/** What has ended leaves the spool, and its report comes into it after that. */
const reportAfterRemoval = withStore(SPOOL, (store) => ({
  ...store,
  async commit(operations) {
    const leaving = operations.filter((one) => !isPut(one));
    if (leaving.length === 0 || !operations.some(isAccept)) return await store.commit(operations);
    await store.commit(leaving);
    await store.commit(operations.filter(isPut));
  },
}));

/** What has ended leaves the spool at once, and waits for its report in memory. */
const waitsInMemory = withStore(SPOOL, (store) => {
  const ended = new Map<string, Uint8Array>();
  const gone = (operation: Operation): Operation => {
    if (!isPut(operation) || !isEnd(operation)) return operation;
    ended.set(textOf(operation.key), operation.value);
    return { type: "del", key: operation.key };
  };
  return {
    ...store,
    get: async (key) => ended.get(textOf(key)) ?? (await store.get(key)),
    commit: (operations) => store.commit(operations.map(gone)),
  };
});

/** A report of several failures says the first of them. */
const oneIsNamed = withTransmit((inner) => async (transmission, signal) => {
  const chunks: Uint8Array[] = [];
  for await (const chunk of transmission.content()) chunks.push(chunk);
  const text = textOf(Buffer.concat(chunks));
  const named = [...text.matchAll(/^Final-Recipient: /gm)];
  if (named.length < 2) return await inner(transmission, signal);
  let isFirst = true;
  const changed = text.replace(/^Final-Recipient: .*\r\n(?:[^\r\n]+\r\n)*\r\n/gm, (group) => {
    const kept = isFirst ? group : "";
    isFirst = false;
    return kept;
  });
  return await inner(withContent(transmission, Buffer.from(changed, "latin1")), signal);
});

const withContent = (transmission: Transmission, octets: Uint8Array): Transmission => ({
  ...transmission,
  size: octets.length,
  octets: undefined,
  async *content() {
    yield octets;
  },
});

/** Longer than a history. */
const FOR_GOOD_MS = 365 * 24 * 60 * 60_000;

/** What the upstream says of one mail counts for all of them, for good. */
const oneRefusalForAll = withTransmit((inner) => async (transmission, signal): Promise<Outcome> => {
  const outcome = await inner(transmission, signal);
  if (outcome.kind !== "refused" && outcome.kind !== "later") return outcome;
  return { kind: "down", reply: outcome.reply, retryAfterMs: FOR_GOOD_MS };
});

/** What is refused as every mail would be is believed of all, until this very mail is answered in another way. */
const believedOfAll = withTransmit((inner) => {
  let refused: string | undefined;
  return async (transmission, signal): Promise<Outcome> => {
    if (refused !== undefined && refused !== transmission.id) return NOT_NOW;
    const outcome = await inner(transmission, signal);
    refused = outcome.kind === "down" ? transmission.id : undefined;
    return outcome;
  };
});

const NOT_NOW: Outcome = { kind: "down", reply: "not now" };

const inWorld = (world: (world: World) => World) => (): Defect => ({ world });

export const BROKEN_REPORTS: readonly BrokenGateway[] = [
  {
    name: "report-after-removal",
    defect: "a report is durable only after what it is about has left the spool",
    create: inWorld(reportAfterRemoval),
  },
  {
    name: "end-in-memory",
    defect: "what has ended waits for its report in memory only",
    create: inWorld(waitsInMemory),
  },
  {
    name: "report-names-one",
    defect: "of two failures of one submission the report names one",
    create: inWorld(oneIsNamed),
  },
  {
    name: "one-stops-all",
    defect: "a refusal that concerns one mail pauses all, for good",
    create: inWorld(oneRefusalForAll),
  },
  {
    name: "odd-stops-others",
    defect: "while one mail is refused as all would be, no other is tried",
    create: inWorld(believedOfAll),
    actors: EVERYONE,
  },
];
