// The parameters of RFC 3461 on their way to a server that offers DSN. Pure.
import type { Transmission } from "../upstream.ts";

/** §4.4 and §4.2: characters of the encoded value. */
const ENVID_MAX = 100;
const ORCPT_MAX = 500;

/**
 * What the library is to put into MAIL and RCPT; it encodes the values (xtext). One that RFC 3461 does not
 * allow is left out: a server may refuse the whole mail for it, and it is a courtesy.
 */
export function dsnParameters({ request }: Transmission) {
  if (request === undefined) return undefined;
  const { ret, notify } = request;
  const envid = allowed(request.envid, ENVID_MAX);
  const orcpt = allowed(request.orcpt, ORCPT_MAX);
  return {
    ...(ret === undefined ? {} : { ret }),
    ...(envid === undefined ? {} : { envid }),
    ...(notify === undefined ? {} : { notify: [...notify] }),
    ...(orcpt === undefined ? {} : { orcpt }),
  };
}

/** §4: printable ASCII before it is encoded; a space, "+" and "=" take three characters each. */
function allowed(value: string | undefined, max: number): string | undefined {
  if (value === undefined || !/^[\x20-\x7e]+$/.test(value)) return undefined;
  const encoded = value.length + 2 * (value.match(/[ +=]/g)?.length ?? 0);
  return encoded <= max ? value : undefined;
}
