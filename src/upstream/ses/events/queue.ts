// The queue that SES's events come to, as the intake needs it: read, remove, show again later.

export interface Received {
  readonly body: string;
  /** Names this receipt of the message: what removes it, or shows it again. */
  readonly receipt: string;
  /** How often the message was received, this time included. */
  readonly receives: number;
  /** When it came into the queue, milliseconds since the epoch; where the queue says it. */
  readonly sentAt?: number;
}

/** A message that is to be seen again, and when. */
export interface Again {
  readonly receipt: string;
  readonly seconds: number;
}

/** Every call rejects when the queue is away, refuses it or a part of it, or when the signal aborts it. */
export interface EventQueue {
  /** Waits until there is something, for a while; empty when nothing came. At most RECEIVE_MAX, hidden for HIDDEN_SECONDS. */
  receive(signal: AbortSignal): Promise<readonly Received[]>;
  /** At most RECEIVE_MAX. What could not be removed is seen again. */
  remove(receipts: readonly string[], signal: AbortSignal): Promise<void>;
  /** At most RECEIVE_MAX. */
  showAgain(messages: readonly Again[], signal: AbortSignal): Promise<void>;
  close(): void;
}

/** The most that SQS hands out in one call. */
export const RECEIVE_MAX = 10;

/** For which nobody else gets what was received: settling takes milliseconds, and a crash ends with this wait. */
export const HIDDEN_SECONDS = 60;
