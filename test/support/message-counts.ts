// What a scripted server has taken, counted by Message-ID, with waiting for it instead of sleeping.

export interface Taken {
  readonly messageId: string;
  /** Envelope reverse-path and forward-paths, as the server was given them. */
  readonly reversePath: string;
  readonly recipients: readonly string[];
  /** Empty unless the server was asked to keep contents. */
  readonly octets: Uint8Array;
  /** When, in milliseconds since the epoch: what was logged up to then was known. */
  readonly takenAt: number;
}

export interface MessageCounts {
  /** Every message taken, in order, repeats included. */
  readonly taken: readonly Taken[];
  /** How often each Message-ID was taken. */
  counts(): ReadonlyMap<string, number>;
  /** The Message-IDs taken more than once. */
  repeated(): string[];
  /** Resolves once `count` messages in all have been taken. */
  waitFor(count: number): Promise<void>;
}

export interface MessageCounter extends MessageCounts {
  /** @param content the whole message, dots un-stuffed */
  take(content: Uint8Array, reversePath: string, recipients: readonly string[]): void;
}

export function createMessageCounter(keepContents: boolean): MessageCounter {
  const taken: Taken[] = [];
  const byMessageId = new Map<string, number>();
  const waiting = new Set<{ count: number; resolve: () => void }>();
  return {
    taken,
    counts: () => byMessageId,
    repeated: () => [...byMessageId].filter(([, count]) => count > 1).map(([messageId]) => messageId),
    waitFor(count) {
      if (taken.length >= count) return Promise.resolve();
      return new Promise((resolve) => waiting.add({ count, resolve }));
    },
    take(content, reversePath, recipients) {
      const messageId = messageIdIn(content);
      const octets = keepContents ? content : new Uint8Array();
      taken.push({ messageId, reversePath, recipients, octets, takenAt: Date.now() });
      byMessageId.set(messageId, (byMessageId.get(messageId) ?? 0) + 1);
      for (const waiter of waiting) {
        if (taken.length < waiter.count) continue;
        waiting.delete(waiter);
        waiter.resolve();
      }
    },
  };
}

/** The Message-ID field of the header section, folded or not; "none" when it is not there. */
function messageIdIn(content: Uint8Array): string {
  const octets = Buffer.from(content.buffer, content.byteOffset, content.byteLength);
  const end = octets.indexOf("\r\n\r\n");
  const header = octets.toString("latin1", 0, end < 0 ? octets.length : end);
  return /^message-id:\s*(<[^>]*>)/im.exec(header)?.[1] ?? "none";
}
