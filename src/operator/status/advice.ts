// What an operator can do about an upstream that takes nothing, as far as its reply tells. Pure.
import type { Config } from "../../config/config.ts";

/** How the configuration describes it. */
export interface AdvisedUpstream {
  readonly name: string;
  /** The key of its table. */
  readonly place: string;
  readonly config: Config;
}

const NOBODY_THERE = /ECONNREFUSED|EHOSTUNREACH|ENETUNREACH|ETIMEDOUT|no answer|timed? ?out/i;
const NO_NAME = /ENOTFOUND|EAI_AGAIN|getaddrinfo/i;
const NO_TRUST = /certificate|self.signed|CERT_|altname|SSL|TLS/i;
const NOT_WRITABLE = /EACCES|EPERM|EROFS/;
const NO_ROOM = /ENOSPC|EDQUOT/;

/** What an operator can do about a queue of events that can't be used, as far as its answer tells. */
export function adviceForEvents(reason: string): string {
  if (/AccessDenied|not authorized/i.test(reason)) {
    return "Allow these credentials to use the queue: `mailonce check-config --online` names the rights";
  }
  if (/QueueDoesNotExist|NonExistentQueue/i.test(reason)) {
    return "Make the queue, or correct ses.events.queue_url and restart the gateway";
  }
  if (/throttl/i.test(reason))
    return "Mail goes on, and reading too, more slowly; see what else uses the queue";
  if (/token|credential|signature|InvalidClient|UnrecognizedClient/i.test(reason)) {
    return "Correct the AWS credentials; mailonce reads them again by itself";
  }
  if (NO_NAME.test(reason) || NOBODY_THERE.test(reason)) {
    return "Repair the network; or correct ses.events.queue_url and restart the gateway";
  }
  return "`mailonce check-config --online` tests it; mailonce goes on by itself";
}

/** @param by whose finding it is: that of a gateway, or of a test before there is one */
export function adviceFor(
  { name, place, config }: AdvisedUpstream,
  reply: string,
  by: "a gateway" | "a test" = "a gateway",
): string {
  const tryIt = by === "a test" ? "and test again" : `then \`mailonce resume ${name}\``;
  const again = by === "a test" ? "" : `; if the server was wrong, \`mailonce resume ${name}\``;
  const restart = by === "a test" ? "and test again" : "and restart the gateway";
  const { kind, smtp } = config.upstream;
  switch (kind) {
    case "smtp":
      if (/^53[0458]\b|authenticat|credential|password/i.test(reply)) {
        return smtp.password_file === undefined
          ? `Correct ${place}.smtp.username or password ${restart}${again}`
          : `Correct the file of ${place}.smtp.password_file, ${tryIt}`;
      }
      if (NO_NAME.test(reply)) return `Correct ${place}.smtp.host ${restart}, or the DNS, ${tryIt}`;
      if (NOBODY_THERE.test(reply)) {
        return `Start the server, ${tryIt}; or correct ${place}.smtp.host and port ${restart}`;
      }
      if (NO_TRUST.test(reply))
        return `Correct the server's certificate, ${tryIt}; or ${place}.smtp.ca_file ${restart}`;
      break;
    case "ses":
      if (/\bregion\b/i.test(reply) || NO_NAME.test(reply)) {
        return `Correct ${place}.ses.region ${restart}, or the DNS, ${tryIt}`;
      }
      if (NOBODY_THERE.test(reply))
        return `Correct ${place}.ses.endpoint ${restart}, or the network, ${tryIt}`;
      if (/quota/i.test(reply)) return "Mail goes on when SES allows; ask AWS for a larger quota";
      if (/paused|suspended|disabled/i.test(reply))
        return `Have AWS resume sending for the account, ${tryIt}`;
      if (/:configuration-set\//.test(reply)) {
        return `Allow these credentials to send with that configuration set ("Rights" in docs/ses-events.md), ${tryIt}`;
      }
      if (/AccessDenied|not authorized/i.test(reply)) return `Allow these credentials to send, ${tryIt}`;
      if (/token|credential|signature|security|InvalidClient|UnrecognizedClient/i.test(reply)) {
        return `Correct the AWS credentials, ${tryIt}`;
      }
      break;
    case "maildir":
      if (NOT_WRITABLE.test(reply)) return `Let the gateway's user write to ${place}.maildir.path, ${tryIt}`;
      if (NO_ROOM.test(reply)) return `Make room on the disk of ${place}.maildir.path, ${tryIt}`;
      break;
  }
  if (by === "a test") return "docs/upstreams.md says what it needs";
  return `\`mailonce check-config --online\` tests it; \`mailonce resume ${name}\` tries it at once`;
}
