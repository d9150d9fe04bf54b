// What a gateway's log says of each mail, read line by line as it comes.
import type { GatewayProcess, LogLine } from "../support/process.ts";

export interface Progress {
  /** Reads what is new. */
  look(): void;
  /** By an answer, or by evidence. */
  isRelayed(recipient: string): boolean;
  /** Its wait for evidence is over, or there was none: policy acts. */
  isOver(recipient: string): boolean;
  /** How often evidence settled each. */
  readonly settled: ReadonlyMap<string, number>;
}

/** @param over is called when the wait of one is over */
export function createProgress(
  gateway: Pick<GatewayProcess, "lines">,
  over: (recipient: string) => void,
): Progress {
  const relayed = new Set<string>();
  const isOver = new Set<string>();
  const settled = new Map<string, number>();
  let read = 0;

  function see({ event, recipient, waitMs }: LogLine): void {
    const of = String(recipient);
    if (event === "transmission.relayed") relayed.add(of);
    if (event === "evidence.settled") {
      relayed.add(of);
      settled.set(of, (settled.get(of) ?? 0) + 1);
    }
    if (event === "transmission.doubtful" && waitMs === undefined) {
      isOver.add(of);
      over(of);
    }
  }

  return {
    look() {
      for (; read < gateway.lines.length; read++) see(gateway.lines[read] as LogLine);
    },
    isRelayed: (recipient) => relayed.has(recipient),
    isOver: (recipient) => isOver.has(recipient),
    settled,
  };
}
