// What every attempt of a transmission hands to its upstream: the same octets each time (P10).
import type { MailRequest } from "../message/notify.ts";
import { render } from "../message/rewrite.ts";
import type { SpooledTransmission } from "../spool/record.ts";
import { ContentError, type SpooledMail } from "../spool/spool.ts";
import type { Transmission } from "../upstream/upstream.ts";

/**
 * @param lost called when the content can't be read since it is not there whole; the attempt then ends as one that
 *   was not taken, unless the upstream's answer says otherwise
 */
export function outgoingOf(
  { submission, header, transmission, body, bodyOctets }: SpooledMail,
  lost: (error: ContentError) => void,
): Transmission {
  const { id, messageId, recipient, firstDate } = transmission;
  const rendered = render(header, { messageId, firstDate });
  return {
    id,
    messageId,
    reversePath: submission.reversePath,
    recipient,
    size: rendered.length + submission.bodySize,
    eightBit: submission.eightBit,
    request: requestOf(submission, transmission),
    octets: body === undefined ? undefined : Buffer.concat([rendered, body]),
    async *content() {
      yield rendered;
      try {
        yield* bodyOctets();
      } catch (error) {
        if (error instanceof ContentError) lost(error);
        throw error;
      }
    },
  };
}

const requestOf = ({ envid, ret }: MailRequest, { request }: SpooledTransmission): Transmission["request"] =>
  envid === undefined && ret === undefined && request === undefined ? undefined : { ...request, envid, ret };
