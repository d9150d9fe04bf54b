// The tokens file: who may see and do what over HTTP. How it is read and followed is in access-file.ts.
import type { Clock } from "../runtime/clock.ts";
import type { Log } from "../runtime/log.ts";
import { type AccessFile, openAccessFile, readAccessFile } from "./access-file.ts";
import { digestOf, parseTokens, type Role, type TokenEntry } from "./tokens-lines.ts";

/** Whose token it is. */
export interface TokenHolder {
  readonly name: string;
  readonly role: Role;
  /** Not any more once the token is removed or has another role: a session must not outlive that. */
  valid(): boolean;
}

export interface Tokens {
  /** Undefined for a token that is not in the file. */
  find(token: string): TokenHolder | undefined;
}

export type TokensFile = Tokens & Pick<AccessFile<TokenEntry>, "reload" | "close">;

/** @throws AccessFileError */
export const readTokens = (path: string): Promise<ReadonlyMap<string, TokenEntry>> =>
  readAccessFile(path, parseTokens);

/**
 * Reads the file and follows its changes.
 *
 * @throws AccessFileError
 */
export async function openTokensFile(
  path: string,
  clock: Clock,
  log: Pick<Log, "info" | "error">,
): Promise<TokensFile> {
  const { values, reload, close } = await openAccessFile(path, parseTokens, clock, {
    reloaded: (tokens) => log.info("tokens.reloaded", { tokens }),
    failed: (error) => log.error("tokens.reload_failed", { error }),
  });
  return {
    find(token) {
      // By the digest, which does not depend on how much of a guess is right.
      const digest = digestOf(token);
      const found = [...values()].find(([, entry]) => entry.digest === digest);
      if (found === undefined) return undefined;
      const [name, { role }] = found;
      const valid = (): boolean => {
        const now = values().get(name);
        return now?.digest === digest && now.role === role;
      };
      return { name, role, valid };
    },
    reload,
    close,
  };
}
