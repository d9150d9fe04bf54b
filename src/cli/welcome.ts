// The block that `mailonce serve` prints for a person when it listens: address, ledger, upstream, the policy
// for mail without a task id, and where to look. In a log of JSON the event gateway.listening has the same
// facts.
import { resolve } from "node:path";
import type { Config } from "../config/config.ts";

export interface Listening {
  readonly version: string;
  /** Each `host:port`. */
  readonly addresses: readonly string[];
  /** Names of the upstreams, each with its kind and place. */
  readonly upstreams: readonly string[];
  /** For a browser; absent where HTTP is not served, and where nobody looks. */
  readonly signInUrl?: string | undefined;
}

/** Lines with their ends. */
export function welcome(config: Config, { version, addresses, upstreams, signInUrl }: Listening): string {
  const { identity, ledger } = config;
  const rows = [
    ["ledger", `${ledger.kind}; the data folder is ${resolve(config.data_dir)}`],
    ["upstream", upstreams.join(", ")],
    ...(identity.mode === "observe" ? [["mode", OBSERVES]] : []),
    ["mail without a task id", unkeyedInWords(identity)],
    ["doubtful mail", DOUBTFUL[ledger.doubtful]],
    ["where to look", whereToLook(upstreams)],
    ...(signInUrl === undefined ? [] : [["in a browser", `${signInUrl} (once, within ten minutes)`]]),
    ["every setting", "docs/configuration.md; to stop, press Ctrl-C"],
  ];
  const width = Math.max(...rows.map(([name = ""]) => name.length));
  const lines = rows.map(([name = "", text]) => `  ${name.padEnd(width)}  ${text}`);
  return [`mailonce ${version} listens on ${addresses.join(", ")}`, ...lines, ""].join("\n");
}

const OBSERVES = "observe: nothing is dropped; what would be is counted: mailonce status";

function unkeyedInWords({ mode, unkeyed, fingerprint_window: windowMs }: Config["identity"]): string {
  if (mode === "observe") return "is relayed as it is";
  switch (unkeyed) {
    case "relay":
      return "is relayed as it is, repeats too";
    case "reject":
      return "is refused";
    case "fingerprint":
      return `is a repeat when the same content came within ${windowMs / 1_000} s`;
  }
}

const DOUBTFUL: Readonly<Record<Config["ledger"]["doubtful"], string>> = {
  resend: "is relayed again with the same Message-ID: a second copy is possible",
  hold: "is kept until you decide: mailonce doubtful list",
  drop: "counts as relayed: it may be lost",
};

/** A mail in a Maildir has not left the machine. */
function whereToLook(upstreams: readonly string[]): string {
  const [only = ""] = upstreams;
  const folder = /^maildir (.*)$/.exec(only)?.[1];
  return upstreams.length === 1 && folder !== undefined
    ? `mailonce demo drops a repeat; relayed mail is in ${folder}/new`
    : "this log; docs/replies.md has every event";
}
