// What a gateway remembers of its last start: which ledger it had, and digests of what its ids are derived from. A
// start that finds others says what is forgotten by that, once; it goes on, since its operator may have meant it.
import type { Log } from "../runtime/log.ts";
import type { Random } from "../runtime/random.ts";
import { digestIdentity, type IdentityDigests, type IdentityRules } from "./identity-digest.ts";

/** Where it is kept, as a text. */
export interface StartNote {
  lastStart(): Promise<string | undefined>;
  /** Durable when it resolves. */
  noteStart(text: string): Promise<void>;
}

export interface ThisStart {
  readonly kind: "embedded" | "postgres" | "dynamodb";
  /** Of a ledger that several gateways share: what it is known by. */
  readonly ledger: string | undefined;
  readonly rules: IdentityRules;
  /** The names in the folder `ledger` before this start opened anything. */
  readonly found: readonly string[];
}

interface Noted {
  readonly kind: string;
  readonly ledger?: string | undefined;
  readonly salt: string;
  readonly identity: IdentityDigests;
}

const SALT_OCTETS = 16;

/** To be called before a client is served. Rejects with a StorageError. */
export async function compareStarts(
  note: StartNote,
  now: ThisStart,
  random: Random,
  log: Log,
): Promise<void> {
  const text = await note.lastStart();
  const last = text === undefined ? undefined : (JSON.parse(text) as Noted);
  const salt = last?.salt ?? Buffer.from(random.octets(SALT_OCTETS)).toString("hex");
  const { kind, ledger, rules } = now;
  const noted: Noted = { kind, ledger, salt, identity: digestIdentity(rules, salt) };
  const from = last === undefined ? kindFound(now) : last.kind;
  if (from !== undefined && (from !== kind || (last !== undefined && last.ledger !== ledger))) {
    log.warn("ledger.kind_changed", {
      from,
      to: kind,
      consequence:
        "what the ledger of the last start has relayed is relayed again if it is submitted again, unless " +
        "`mailonce ledger export` and `import` have brought it along",
    });
  }
  const settings = last === undefined ? [] : changedSettings(last.identity, noted.identity);
  if (settings.length > 0) {
    log.warn("identity.changed", {
      settings,
      consequence:
        "tasks that were submitted before have other ids now, and go again if they are submitted again",
    });
  }
  const next = JSON.stringify(noted);
  if (next !== text) await note.noteStart(next);
}

/** An earlier version noted nothing. Where both kinds are there, nobody knows which was the last. */
function kindFound({ kind, found }: ThisStart): string | undefined {
  const [hadEmbedded, hadShared] = [found.includes("state"), found.includes("gateway")];
  if (kind === "embedded") return hadShared && !hadEmbedded ? "shared" : undefined;
  return hadEmbedded && !hadShared ? "embedded" : undefined;
}

/** With another secret all digests are others: which else has changed is not known then, and does not matter. */
function changedSettings(was: IdentityDigests, is: IdentityDigests): string[] {
  if (was.secret !== is.secret) return ["identity.secret"];
  return [
    ...(was.fields === is.fields ? [] : ["identity.headers, identity.part_header or identity.envid"]),
    ...(was.namespaces === is.namespaces ? [] : ["identity.namespace, or that of a user"]),
  ];
}
