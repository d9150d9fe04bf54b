// What a visitor sees of an address.

/** Its first letter and its domain. */
export function maskedAddress(address: string): string {
  const at = address.lastIndexOf("@");
  const [first = ""] = address;
  return at < 0 ? `${first}…` : `${first}…${address.slice(at)}`;
}
