// What can be seen from outside of what is durable: in the spools on the simulated disks, and in the ledger,
// whether that is on a disk too or shared.

import { markKey } from "../../src/ledger/embedded/records.ts";
import { decodeBase32 } from "../../src/runtime/base32.ts";
import type { SimulatedDisk } from "./disk.ts";
import type { SimulatedEngine } from "./engine.ts";
import type { Life, Machine } from "./machine.ts";

export interface Mark {
  /** The id has a mark in the ledger that a loss of power would leave. */
  readonly isMarked: boolean;
  /** It is marked under a claim of this very process. */
  readonly isHeld: boolean;
}

export interface Evidence {
  /** Looking into the ledger takes turns of the event loop, and is done as late as can be. */
  readonly isShared: boolean;
  /** At once where the ledger is on the machine's own disk. */
  mark(id: string, life: Life): Mark | Promise<Mark>;
  /**
   * Of the ids those that no spool and no ledger has; again at once with the machine's own ledger. The spool of
   * a gateway that is gone counts if it counted at `knownAt`.
   */
  undurable(ids: readonly (string | undefined)[], knownAt: number): string[] | Promise<string[]>;
  /** All that is durable in the machine's spool, as one text. */
  spooled(machine: Machine): string;
  /** The records of the id's transmissions that are durable in the machine's spool, by their keys. */
  recordsOf(machine: Machine, id: string): ReadonlyMap<string, string>;
  /** The id counts as relayed, and would after a loss of power. */
  isRelayed(id: string): boolean | Promise<boolean>;
  /** Keys of transmissions in the machine's spool whose submission with its content is not there. */
  withoutContent(machine: Machine): string[];
}

export interface EvidenceParts {
  readonly disks: ReadonlyMap<Machine, SimulatedDisk>;
  readonly engine: SimulatedEngine | undefined;
  /** A gateway that is gone was still taken for alive then: what it has counts as durable. */
  readonly countsAsAlive: (machine: Machine, then: number) => boolean;
}

const asText = (octets: Uint8Array): string =>
  Buffer.from(octets.buffer, octets.byteOffset, octets.byteLength).toString("latin1");

export function createEvidence({ disks, engine, countsAsAlive }: EvidenceParts): Evidence {
  const views = (kind: Parameters<SimulatedDisk["views"]>[0], then = Number.POSITIVE_INFINITY) =>
    [...disks].filter(([machine]) => countsAsAlive(machine, then)).flatMap(([, disk]) => disk.views(kind));

  const isInGeneration = (id: string): boolean =>
    views("ledger/generation-0").some(({ durable }) => durable.has(asText(decodeBase32(id))));

  return {
    isShared: engine !== undefined,

    mark(id, life) {
      if (engine !== undefined) {
        return engine.look(id).then((record) => ({
          isMarked: record?.state === "attempted" || record?.state === "doubtful",
          isHeld: record?.holder !== undefined && record.holder.incarnation === engine.incarnationOf(life),
        }));
      }
      const key = asText(markKey(decodeBase32(id)));
      const isMarked = views("ledger/state").some(({ durable }) => durable.has(key));
      return { isMarked, isHeld: isMarked };
    },

    undurable(ids, knownAt) {
      const spooled = views("spool/queue", knownAt).flatMap(({ durable }) =>
        [...durable.values()].map(asText),
      );
      const left = ids.filter(
        (id): id is string => id !== undefined && !spooled.some((text) => text.includes(`"id":"${id}"`)),
      );
      if (engine !== undefined) {
        return Promise.all(left.map(engine.look)).then((records) =>
          left.filter((_, at) => records[at]?.state !== "relayed"),
        );
      }
      return left.filter((id) => !isInGeneration(id));
    },

    isRelayed: (id) =>
      engine === undefined
        ? isInGeneration(id)
        : engine.look(id).then((record) => record?.state === "relayed"),

    withoutContent: (machine) =>
      (disks.get(machine)?.views("spool/queue") ?? []).flatMap(({ visible }) =>
        [...visible.keys()].filter((key) => {
          const submission = /^t([^/]*)\//.exec(key)?.[1];
          return submission !== undefined && !visible.has(`s${submission}`);
        }),
      ),

    recordsOf: (machine, id) =>
      new Map(
        (disks.get(machine)?.views("spool/queue") ?? [])
          .flatMap(({ durable }) => [...durable])
          .map(([key, value]) => [key, asText(value)] as const)
          .filter(([key, text]) => key.startsWith("t") && text.includes(`"id":"${id}"`)),
      ),

    spooled: (machine) =>
      (disks.get(machine)?.views("spool/queue") ?? [])
        .flatMap(({ durable }) => [...durable.values()].map(asText))
        .join("\n"),
  };
}
