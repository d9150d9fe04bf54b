// What can be known of SES's events without a mail: whether the configuration set publishes them, and whether the queue can
// be read. A line for each.
import { oneLine } from "../../line.ts";
import type { SesClient } from "../client.ts";
import { queueNameOf } from "./queue-url.ts";
import type { SqsQueue } from "./sqs.ts";

export interface EventsFinding {
  readonly line: string;
  readonly isGood: boolean;
}

export interface EventsCheckParts {
  readonly ses: Pick<SesClient, "eventDestinations">;
  readonly queue: Pick<SqsQueue, "check">;
  readonly queueUrl: string;
  /** Of mails that name none. */
  readonly configurationSet: string | undefined;
}

/** Never rejects. */
export async function checkEvents(
  { ses, queue, queueUrl, configurationSet }: EventsCheckParts,
  signal: AbortSignal,
): Promise<EventsFinding[]> {
  return await Promise.all([checkQueue(queue, queueUrl, signal), checkSet(ses, configurationSet, signal)]);
}

const SEE = "see docs/ses-events.md";

async function checkQueue(
  queue: EventsCheckParts["queue"],
  queueUrl: string,
  signal: AbortSignal,
): Promise<EventsFinding> {
  const name = `the queue ${queueNameOf(queueUrl)}`;
  try {
    const { waiting, missing } = await queue.check(signal);
    if (missing.length > 0) {
      return {
        line: `${name}: these credentials need the rights ${missing.join(", ")}; ${SEE}`,
        isGood: false,
      };
    }
    return { line: `${name}: can be read; ${waiting} messages wait in it`, isGood: true };
  } catch (error) {
    return { line: `${name} can't be read: ${reasonOf(error)}; ${SEE}`, isGood: false };
  }
}

async function checkSet(
  ses: EventsCheckParts["ses"],
  set: string | undefined,
  signal: AbortSignal,
): Promise<EventsFinding> {
  if (set === undefined) {
    // It is no fault: all mails may name one, and the identity of the sender may have one by default.
    const line =
      "no configuration_set: SES publishes events only of mails that name one, or whose identity has one";
    return { line: `${line}; ${SEE}`, isGood: true };
  }
  const name = `the configuration set ${set}`;
  try {
    const sending = (await ses.eventDestinations(set, signal)).filter(
      ({ Enabled, MatchingEventTypes = [] }) => Enabled === true && MatchingEventTypes.includes("SEND"),
    );
    const isRead = sending.some(
      ({ SnsDestination, EventBridgeDestination }) =>
        SnsDestination !== undefined || EventBridgeDestination !== undefined,
    );
    if (isRead) return { line: `${name}: publishes Send events`, isGood: true };
    const how = sending.length > 0 ? " to SNS or EventBridge" : "";
    return { line: `${name}: publishes no Send events${how}: nothing settles doubt; ${SEE}`, isGood: false };
  } catch (error) {
    if ((error as Error).name === "AccessDeniedException") {
      const right = "ses:GetConfigurationSetEventDestinations";
      return {
        line: `${name}: whether it publishes Send events is not known without the right ${right}`,
        isGood: true,
      };
    }
    return { line: `${name} can't be read: ${reasonOf(error)}; ${SEE}`, isGood: false };
  }
}

function reasonOf(error: unknown): string {
  const { name, message } = error as Error;
  return oneLine(`${name}: ${message}`);
}
