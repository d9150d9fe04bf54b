// Keeps our own credentials out of what a server says: a reply to AUTH that repeats what it was given would
// go into the log, the notification to the sender and, with `reply = "relayed"`, to the client. Pure.

/** Replaces a credential. */
const CONCEALED = "(concealed)";

export type Conceal = (text: string) => string;

/**
 * @returns the text with every occurrence of the password, as it is and as AUTH PLAIN (RFC 4616) and AUTH LOGIN
 *   write it, replaced. A server that writes it in yet another way is not defended against.
 */
export function createConceal(username: string, password: string): Conceal {
  const base64 = (text: string): string => Buffer.from(text, "utf8").toString("base64");
  const plain = [`\0${username}\0${password}`, `${username}\0${username}\0${password}`];
  // Servers leave the padding out, or cut it off with the line.
  const written = [...plain, password].map((text) => base64(text).replace(/=+$/, ""));
  // The longest first: one can stand in another.
  const forms = [...written, password].sort((a, b) => b.length - a.length);
  return (text) => forms.reduce((rest, form) => rest.replaceAll(form, CONCEALED), text);
}
