// What the log says of a transmission; the recipient only where that was asked for.
import type { LogFields } from "../runtime/log.ts";
import type { SpooledTransmission } from "../spool/record.ts";

export const factsOf = (
  { messageId, unkeyed, recipient }: Pick<SpooledTransmission, "messageId" | "unkeyed" | "recipient">,
  addresses: boolean,
  more: LogFields,
): LogFields => ({ messageId, unkeyed, recipient: addresses ? recipient : undefined, ...more });
