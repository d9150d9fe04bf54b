// What a start finds when one file of the data folder is not as it was: the table of docs/damage.md, and what
// test/damage/files.test.ts goes by.

export const DAMAGES = ["deleted", "emptied", "cut", "one bit changed", "an earlier copy"] as const;
export type Damage = (typeof DAMAGES)[number];

export type Outcome =
  /** Exit code 1, and a line that names the file and what would be lost. */
  | "refused"
  /** The line `data.repaired` names the file; all goes on. */
  | "repaired"
  /** The line `ledger.filter_unused` names the file; the filter is built anew. */
  | "rebuilt"
  /** The mail is reported to its sender, and the line `transmission.lost` says why. */
  | "reported"
  /** The line `data.damaged` names the file while the gateway runs. */
  | "named within the hour"
  /** Nothing is read from the file. */
  | "not read";

/** As the page puts them. */
export const SAYS: Readonly<Record<Outcome, string>> = {
  refused: "refused",
  repaired: "`data.repaired` names it: it is made again",
  rebuilt: "`ledger.filter_unused` names it: the filter is rebuilt",
  reported:
    "`transmission.lost`: at once when it is missing or has another size, else when the mail is attempted",
  "named within the hour": "nothing at the start; within the hour `data.damaged` names it",
  "not read": "nothing, as nothing is ever read from it",
};

export interface Row {
  /** As the page names them. */
  readonly files: string;
  readonly pattern: RegExp;
  readonly damages: readonly Damage[];
  readonly outcome: Outcome;
  readonly lost: string;
}

const ALL = DAMAGES;
const NOTHING = "nothing";
const STATE_AND_QUEUE = "(spool/queue|ledger/state)";
const GENERATION = String.raw`ledger/generation-\d+`;

/** The first row that fits counts. */
export const ROWS: readonly Row[] = [
  {
    files: "`seal.0`, `seal.1`: one of them",
    pattern: /^seal\.[01]$/,
    damages: ALL,
    outcome: "repaired",
    lost: NOTHING,
  },
  { files: "`lock/*`", pattern: /^lock\//, damages: ALL, outcome: "not read", lost: NOTHING },
  {
    files: "`CURRENT` of a store",
    pattern: /\/CURRENT$/,
    damages: ALL,
    outcome: "refused",
    lost: "nothing, once the folder is restored",
  },
  {
    files: "`MANIFEST-*` of a store",
    pattern: /\/MANIFEST-\d+$/,
    damages: ALL,
    outcome: "refused",
    lost: "nothing, once the folder is restored",
  },
  {
    files: "`*.log` of a store",
    pattern: /\/\d+\.log$/,
    damages: ALL,
    outcome: "refused",
    lost: "nothing, once the folder is restored; with `data accept`, what the log held from that place on",
  },
  {
    files: "`*.ldb` of `spool/queue` and `ledger/state`",
    pattern: new RegExp(`^${STATE_AND_QUEUE}/\\d+\\.ldb$`),
    damages: ALL,
    outcome: "refused",
    lost: "nothing, once the folder is restored; with `data accept`, what the table held",
  },
  {
    files: "`*.ldb` of a generation",
    pattern: new RegExp(`^${GENERATION}/\\d+\\.ldb$`),
    damages: ["deleted", "emptied", "cut", "an earlier copy"],
    outcome: "refused",
    lost: "nothing, once the folder is restored; with `data accept`, the ids that the table held",
  },
  {
    files: "`*.ldb` of a generation",
    pattern: new RegExp(`^${GENERATION}/\\d+\\.ldb$`),
    damages: ["one bit changed"],
    outcome: "named within the hour",
    lost: "at most the ids of one block, about 90: they may be relayed again",
  },
  {
    files: "`ledger/generation-*.filter`",
    pattern: /\.filter$/,
    damages: ALL,
    outcome: "rebuilt",
    lost: NOTHING,
  },
  {
    files: "`spool/bodies/*`",
    pattern: /^spool\/bodies\//,
    damages: ALL,
    outcome: "reported",
    lost: "that mail: its sender gets a report",
  },
  {
    files: "`ledger/gateway`",
    pattern: /^ledger\/gateway$/,
    damages: ALL,
    outcome: "repaired",
    lost: NOTHING,
  },
  {
    files: "`LOCK`, `LOG` of a store",
    pattern: /\/(LOCK|LOG)$/,
    damages: ["deleted"],
    outcome: "repaired",
    lost: NOTHING,
  },
  {
    files: "`LOCK`, `LOG` of a store",
    pattern: /\/(LOCK|LOG)$/,
    damages: ["emptied", "cut", "one bit changed", "an earlier copy"],
    outcome: "not read",
    lost: NOTHING,
  },
  { files: "`LOG.old` of a store", pattern: /\/LOG\.old$/, damages: ALL, outcome: "not read", lost: NOTHING },
];

export function rowFor(file: string, damage: Damage): Row | undefined {
  return ROWS.find(({ pattern, damages }) => pattern.test(file) && damages.includes(damage));
}

/** Parts of the folder put back from an earlier copy: each is refused. */
export const PARTS: readonly { readonly part: string; readonly paths: readonly RegExp[] }[] = [
  { part: "`ledger/` whole", paths: [/^ledger\//] },
  { part: "`spool/` whole", paths: [/^spool\//] },
  { part: "`spool/queue`", paths: [/^spool\/queue\//] },
  { part: "`ledger/state`", paths: [/^ledger\/state\//] },
  { part: "one generation", paths: [/^ledger\/generation-\d+\//] },
];

/** From before the last stop. */
export const PARTS_WITH_SEALS: typeof PARTS = [
  { part: "the seals", paths: [/^seal/] },
  { part: "all but `ledger/`", paths: [/^seal/, /^spool\//] },
  { part: "all but `spool/`", paths: [/^seal/, /^ledger\//] },
];
