// Hands the webhooks of a service on to mailonce, as evidence that the service took a mail: node examples/evidence.mjs
// Here are Mailgun's, as its documentation describes them; we have not tried it with the service itself. For another
// service change `isSigned` and `evidenceOf`.
import { createHmac, timingSafeEqual } from "node:crypto";
import { createServer } from "node:http";
import { json } from "node:stream/consumers";

const {
  MAILONCE_HTTP = "http://127.0.0.1:2580",
  MAILONCE_TOKEN,
  WEBHOOK_KEY = "",
  WEBHOOK_PORT = "8025",
} = process.env;

/** Without this anybody who finds the port could have a mail counted as relayed. */
function isSigned({ timestamp, token, signature }) {
  const expected = createHmac("sha256", WEBHOOK_KEY).update(`${timestamp}${token}`).digest();
  const given = Buffer.from(String(signature), "hex");
  return WEBHOOK_KEY !== "" && given.length === expected.length && timingSafeEqual(given, expected);
}

/** Undefined: it is no mail of mailonce's, or it does not say that the service took it ("rejected" says the opposite). */
function evidenceOf({ event, severity, timestamp, message }) {
  const messageId = String(message?.headers?.["message-id"]);
  if (!/^[a-z2-7]{32}@/.test(messageId)) return undefined;
  const failed = severity === "temporary" ? "delayed" : "bounced";
  const kind = { accepted: "sent", delivered: "delivered", failed, complained: "complained" }[event];
  if (kind === undefined) return undefined;
  const happenedAt = new Date(timestamp * 1_000).toISOString();
  // Only this event has the time at which the service took the mail.
  const taken = event === "accepted" ? { takenAt: happenedAt } : {};
  return { messageId, source: "mailgun", ...taken, fate: { kind }, happenedAt };
}

/** The status for the service, which sends again what was not taken. */
async function handle(request) {
  const { signature, "event-data": event } = await json(request);
  if (!isSigned(signature)) return 406;
  const evidence = evidenceOf(event);
  if (evidence === undefined) return 200;
  const reply = await fetch(`${MAILONCE_HTTP}/api/v1/evidence`, {
    method: "POST",
    headers: { Authorization: `Bearer ${MAILONCE_TOKEN}`, "Content-Type": "application/json" },
    body: JSON.stringify(evidence),
  });
  console.log(reply.status, await reply.text());
  return reply.status === 200 ? 200 : 503;
}

const server = createServer((request, response) => {
  handle(request)
    .catch((error) => {
      console.error(String(error));
      return 503;
    })
    .then((status) => response.writeHead(status).end());
});
server.listen(Number(WEBHOOK_PORT), "127.0.0.1", () =>
  console.log(`listens on port ${server.address().port}`),
);
