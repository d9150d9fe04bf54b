// Until when a mail waits for evidence: the members that lists of doubts and of the queue have in common.
import { z } from "zod";

export const listensShape = {
  listensUntil: z.iso.datetime().optional(),
  policy: z.enum(["resend", "hold", "drop"]).optional(),
};
