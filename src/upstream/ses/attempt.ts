// One attempt at SES, from the message to the outcome.
import { contentInMemory } from "../content.ts";
import { oneLine } from "../line.ts";
import type { Outcome, Transmission } from "../upstream.ts";
import type { SesClient, SesEnvelope } from "./client.ts";
import { type SesFields, sesFieldsOf } from "./fields.ts";
import { outcomeOfError } from "./outcome.ts";

export interface SesResult {
  readonly outcome: Outcome;
  /** How many tags of the message were left out because SES would refuse the message for them. */
  readonly badTags: number;
}

export interface SesDefaults {
  /** Of messages that name none in X-SES-CONFIGURATION-SET. */
  readonly configurationSet?: string | undefined;
  /** The public name of the ledger, once it is open. */
  readonly ledger?: (() => string | undefined) | undefined;
  /** For sending authorization: the identity that lets us use its address in From. */
  readonly fromEmailAddressIdentityArn?: string | undefined;
}

/** Makes one attempt. Never rejects. */
export async function attemptSes(
  client: SesClient,
  transmission: Transmission,
  defaults: SesDefaults,
  signal: AbortSignal,
): Promise<SesResult> {
  let content: Uint8Array;
  try {
    signal.throwIfAborted();
    content = await contentInMemory(transmission);
    signal.throwIfAborted();
  } catch (error) {
    return notCalled(error);
  }
  const fields = sesFieldsOf(content, transmission.id, defaults.ledger?.());
  if (fields.list === "unreadable") return { outcome: UNREADABLE_LIST, badTags: fields.badTags };
  let handedOn = false;
  try {
    const upstreamId = await client.sendEmail(
      envelopeOf(transmission, fields, defaults),
      content,
      signal,
      () => {
        handedOn = true;
      },
    );
    const outcome: Outcome = upstreamId
      ? { kind: "accepted", upstreamId: oneLine(upstreamId) }
      : { kind: "doubtful", cause: "200 without a MessageId" };
    return { outcome, badTags: fields.badTags };
  } catch (error) {
    const outcome = outcomeOfError(error, {
      handedOn,
      ownConfigurationSet: fields.configurationSet !== undefined,
      configurationSet: defaults.configurationSet,
      ownTenant: fields.tenant !== undefined,
      ownContactList: fields.list !== undefined,
      now: Date.now(),
    });
    return { outcome, badTags: fields.badTags };
  }
}

const UNREADABLE_LIST: Outcome = {
  kind: "refused",
  reply: "X-SES-LIST-MANAGEMENT-OPTIONS can't be read: expected LIST or LIST; topic=TOPIC",
};

/** What ended before SES was called. */
function notCalled(error: unknown): SesResult {
  const reply = oneLine(`before the call: ${String(error)}`);
  return { outcome: { kind: "later", reply }, badTags: 0 };
}

/**
 * FromEmailAddress is left out: with Raw content SES puts it into the From field, display name lost
 * (laravel/framework#37881, nodemailer/nodemailer#1731), and octets are not ours to change. The
 * reverse-path goes where bounces go. A null reverse-path leaves that to SES, which takes From.
 */
function envelopeOf(
  { reversePath, recipient }: Transmission,
  { tags, list, ...fields }: SesFields,
  { configurationSet, fromEmailAddressIdentityArn }: SesDefaults,
): SesEnvelope {
  const set = fields.configurationSet ?? configurationSet;
  return {
    Destination: { ToAddresses: [recipient] },
    ...(reversePath === "" ? {} : { FeedbackForwardingEmailAddress: reversePath }),
    ...(set === undefined ? {} : { ConfigurationSetName: set }),
    ...(fields.tenant === undefined ? {} : { TenantName: fields.tenant }),
    ...(list === undefined || list === "unreadable" ? {} : { ListManagementOptions: list }),
    EmailTags: [...tags],
    ...(fromEmailAddressIdentityArn === undefined
      ? {}
      : { FromEmailAddressIdentityArn: fromEmailAddressIdentityArn }),
  };
}
