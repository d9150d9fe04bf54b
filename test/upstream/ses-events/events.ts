// Events as AWS's guide shows them ("Examples of event data that Amazon SES publishes to Amazon SNS"), about a mail of
// ours.
import { idOf } from "../../support/transmission.ts";

export const ID = idOf(18);
export const LEDGER = "abcdefghijklmnop";
export const SES_ID = "7c191be45-e9aedb9a-02f9-4d12-a87d-dd0099a07f8a-000000";

export interface MailParts {
  readonly tags?: Readonly<Record<string, unknown>>;
  readonly headers?: readonly unknown[];
  readonly truncated?: unknown;
}

export const OWN_TAGS = {
  "ses:configuration-set": ["mailonce"],
  "ses:from-domain": ["example.com"],
  "mailonce-id": [ID],
  "mailonce-ledger": [LEDGER],
};

export const mailOf = ({ tags = OWN_TAGS, headers = [], truncated = false }: MailParts = {}) => ({
  timestamp: "2026-11-27T21:08:49.000Z",
  messageId: SES_ID,
  source: "Sender Name <sender@example.com>",
  sourceArn: "arn:aws:ses:us-east-1:123456789012:identity/sender@example.com",
  sendingAccountId: "123456789012",
  destination: ["recipient@example.com"],
  headersTruncated: truncated,
  headers: [{ name: "From", value: "Sender Name <sender@example.com>" }, ...headers],
  commonHeaders: {
    from: ["Sender Name <sender@example.com>"],
    to: ["recipient@example.com"],
    // SES's own, as in AWS's samples.
    messageId: `<${idOf(99)}@example.com>`,
    subject: "Message sent from Amazon SES",
  },
  tags,
});

export const eventOf = (eventType: string, more: object = {}, parts: MailParts = {}) => ({
  eventType,
  mail: mailOf(parts),
  ...more,
});

export const EVENTS = {
  Send: eventOf("Send", { send: {} }),
  Delivery: eventOf("Delivery", {
    delivery: {
      timestamp: "2026-11-27T21:08:52.414Z",
      processingTimeMillis: 3_414,
      recipients: ["recipient@example.com"],
      smtpResponse: "250 2.6.0 Message received",
      remoteMtaIp: "192.0.2.1",
      reportingMTA: "mta.example.com",
    },
  }),
  Bounce: eventOf("Bounce", {
    bounce: {
      bounceType: "Permanent",
      bounceSubType: "General",
      bouncedRecipients: [
        {
          emailAddress: "recipient@example.com",
          action: "failed",
          status: "5.1.1",
          diagnosticCode: "smtp; 550 5.1.1 user unknown",
        },
      ],
      timestamp: "2026-11-27T21:09:00.000Z",
      feedbackId: "01000157c44f053b-61b59c11-9236-11e6-8f96-7be8aexample-000000",
      reportingMTA: "dsn; mta.example.com",
    },
  }),
  Complaint: eventOf("Complaint", {
    complaint: {
      complainedRecipients: [{ emailAddress: "recipient@example.com" }],
      timestamp: "2026-11-28T10:00:00.000Z",
      feedbackId: "01000157c44f053b-61b59c11-9236-11e6-8f96-7be8aexample-000000",
      complaintSubType: null,
      userAgent: "ExampleCorp Feedback Loop (V0.01)",
      complaintFeedbackType: "abuse",
      arrivalDate: "2026-11-28T09:59:00.000Z",
    },
  }),
  Reject: eventOf("Reject", { reject: { reason: "Bad content" } }),
  DeliveryDelay: eventOf("DeliveryDelay", {
    deliveryDelay: {
      timestamp: "2026-11-27T21:40:40.000Z",
      delayType: "TransientCommunicationFailure",
      expirationTime: "2026-11-28T11:25:59.000Z",
      delayedRecipients: [
        {
          emailAddress: "recipient@example.com",
          status: "4.4.1",
          diagnosticCode: "smtp; 421 4.4.1 Unable to connect to remote host",
        },
      ],
    },
  }),
  Open: eventOf("Open", { open: { ipAddress: "192.0.2.1", timestamp: "2026-11-27T22:00:19.652Z" } }),
};

export const inSns = (message: unknown): string =>
  JSON.stringify({
    Type: "Notification",
    MessageId: "0a3b1c3e-7f5d-5c8e-9c0f-4a1b2c3d4e5f",
    TopicArn: "arn:aws:sns:eu-west-1:123456789012:mailonce",
    Subject: "Amazon SES Email Event Notification",
    Message: typeof message === "string" ? message : JSON.stringify(message),
    Timestamp: "2026-11-27T21:08:50.123Z",
    SignatureVersion: "1",
  });

export const inEventBridge = (detail: unknown): object => ({
  version: "0",
  id: "12345678-1234-1234-1234-123456789012",
  "detail-type": "Email Sent",
  source: "aws.ses",
  account: "123456789012",
  time: "2026-11-27T21:08:50Z",
  region: "eu-west-1",
  resources: ["arn:aws:ses:eu-west-1:123456789012:configuration-set/mailonce"],
  detail,
});
