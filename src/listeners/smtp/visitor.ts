// An accepted socket, before and after there is a connection for it.
import type { Reply } from "../../submission/reply.ts";
import type { Guest } from "../admission.ts";

export class Visitor implements Guest {
  readonly #since: number;
  readonly #end: () => void;
  connection: Guest | undefined;
  /** A proxy's own connection, a health check as a rule. */
  readonly isProxys: boolean;

  /** @param end ends the socket without a word */
  constructor(now: number, isProxys: boolean, end: () => void) {
    this.#since = now;
    this.isProxys = isProxys;
    this.#end = end;
  }

  get idleSince(): number {
    return this.connection?.idleSince ?? this.#since;
  }

  get dispensable(): boolean {
    return this.connection?.dispensable ?? true;
  }

  dismiss(reply: Reply): void {
    if (this.connection === undefined) this.#end();
    else this.connection.dismiss(reply);
  }
}
