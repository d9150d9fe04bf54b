// How operators name a mail.
import type { Id } from "../identity/message-id.ts";

/** The id in an id, a Message-ID, or a Message-ID in angle brackets; undefined when there is none. */
export function idIn(name: string): Id | undefined {
  const [id = ""] = name.trim().replace(/^</, "").split(/[@.]/);
  return /^[a-z2-7]{32}$/.test(id) ? id : undefined;
}
