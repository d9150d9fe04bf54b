// Tokens for the person at the terminal that the gateway was started on: each serves once, within ten minutes, so that the
// first minute needs no tokens file.
import type { TokenHolder } from "../../access/tokens-file.ts";
import { digestOf, newToken } from "../../access/tokens-lines.ts";
import type { Clock } from "../../runtime/clock.ts";
import type { Random } from "../../runtime/random.ts";

export const ONCE_MS = 10 * 60_000;

export interface OnceTokens {
  make(): string;
  /** It is used up then. */
  take(token: string): TokenHolder | undefined;
}

/** Whoever started the gateway may do everything. */
const HOLDER: TokenHolder = { name: "terminal", role: "operate", valid: () => true };

export function createOnceTokens(clock: Clock, random: Random): OnceTokens {
  /** When it was made, by its digest. */
  const made = new Map<string, number>();
  return {
    make() {
      const token = newToken(random);
      made.set(digestOf(token), clock.now());
      return token;
    },
    take(token) {
      const digest = digestOf(token);
      const madeAt = made.get(digest);
      made.delete(digest);
      if (madeAt === undefined) return undefined;
      const age = clock.now() - madeAt;
      return age >= 0 && age < ONCE_MS ? HOLDER : undefined;
    },
  };
}
