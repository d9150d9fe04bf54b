// What the log says of a transmission; the recipient only where that was asked for.
import type { LogFields } from "../runtime/log.ts";
import type { SpooledTransmission } from "../spool/record.ts";

export const factsOf = (
  { messageId, recipient }: Pick<SpooledTransmission, "messageId" | "recipient">,
  addresses: boolean,
  more: LogFields,
): LogFields => ({ messageId, recipient: addresses ? recipient : undefined, ...more });
