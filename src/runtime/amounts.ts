// Amounts as people read them.

const UNITS = [
  { name: "d", ms: 86_400_000 },
  { name: "h", ms: 3_600_000 },
  { name: "min", ms: 60_000 },
  { name: "s", ms: 1_000 },
] as const;

/** For people, with the two largest units: "2 d 5 h", "18 min 4 s", "0 s". Less than a second is none. */
export function durationOf(ms: number): string {
  let rest = Math.max(0, Math.floor(ms / 1_000)) * 1_000;
  const first = UNITS.findIndex((unit) => rest >= unit.ms);
  if (first < 0) return "0 s";
  const parts: string[] = [];
  for (const { name, ms: unitMs } of UNITS.slice(first, first + 2)) {
    const count = Math.floor(rest / unitMs);
    rest -= count * unitMs;
    if (count > 0) parts.push(`${count} ${name}`);
  }
  return parts.join(" ");
}

/**
 * A count for people: "100,000". As `toLocaleString("en")`, whose first call costs 20 ms and 5 MiB for all that is known of
 * languages.
 *
 * @param count whole, and safe
 */
export const countOf = (count: number): string => String(count).replace(/\B(?=(?:\d{3})+$)/g, ",");

/** Octets for people: "812 octets", "1.2 kB", "20.0 MB". */
export function sizeOf(octets: number): string {
  if (octets < 1_000) return octets === 1 ? "1 octet" : `${octets} octets`;
  return octets < 999_950 ? `${(octets / 1e3).toFixed(1)} kB` : `${(octets / 1e6).toFixed(1)} MB`;
}
