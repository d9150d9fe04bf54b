// The Date that every attempt of a transmission carries (P10).
import type { SpooledTransmission, TransmissionKey } from "../spool/record.ts";
import type { Spool } from "../spool/spool.ts";

/**
 * That of its first attempt, otherwise that of its own header; undefined where the mail is not in the spool whole. Rejects
 * with a StorageError.
 *
 * @returns the text of the Date field (RFC 5322 §3.3)
 */
export async function firstDateOf(
  spool: Pick<Spool, "read">,
  key: TransmissionKey,
  { firstDate }: SpooledTransmission,
): Promise<string | undefined> {
  if (firstDate !== undefined) return firstDate;
  const mail = await spool.read(key);
  return mail?.kind === "whole" ? mail.submission.header.date : undefined;
}
