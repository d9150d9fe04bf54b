// Warnings about how a mailer names its tasks. Each such mail is taken, but a repeat may go unnoticed, or two
// mails may count as one. A warning comes once a day for each user, since such a fault is in every mail.
import { fieldInBody, nearlyNamed } from "../identity/near-names.ts";
import { weakness } from "../identity/placeholder.ts";
import { signedAndRemoved } from "../message/rewrite.ts";
import type { Clock } from "../runtime/clock.ts";
import { createDaily } from "../runtime/daily.ts";
import type { Log } from "../runtime/log.ts";
import type { SubmissionId } from "../spool/record.ts";
import type { Keying } from "./keying.ts";
import type { ReceivedContent } from "./receive.ts";

export interface HintOptions {
  /** Names of the header fields that may carry the task. */
  readonly headers: readonly string[];
  readonly partHeader: string;
}

/** Looks at one submission that is keyed, or unkeyed. */
export type Hints = (
  submission: SubmissionId,
  user: string | undefined,
  content: Pick<ReceivedContent, "fields" | "strayed">,
  keying: Pick<Keying, "task" | "source" | "passedOver">,
) => void;

export function createHints(
  { headers, partHeader }: HintOptions,
  { clock, log }: { clock: Pick<Clock, "now">; log: Pick<Log, "warn"> },
): Hints {
  const daily = createDaily(clock);
  const names = [...headers, partHeader];
  const taskFields = new Set(names.map((name) => name.toLowerCase()));

  return (submission, user, { fields, strayed }, { task, source, passedOver }) => {
    const first = (...what: string[]): boolean => daily.first(JSON.stringify([user, ...what]));

    const problem = task === undefined ? undefined : weakness(task);
    if (problem !== undefined && first("weak", problem)) {
      log.warn("identity.weak_task", { submission, user, source, task, problem });
    }
    // Where the task was in a header field, the part may be the one that is misspelt.
    const near = nearlyNamed(fields, source === undefined || source === "ENVID" ? names : [partHeader]);
    if (near !== undefined && first("near", near.field)) {
      log.warn("identity.similar_field", { submission, user, ...near });
    }
    const astray = strayed === undefined ? undefined : fieldInBody(strayed, names);
    if (astray !== undefined && first("body", astray)) {
      log.warn("identity.field_in_body", { submission, user, field: astray });
    }
    const broken = signedAndRemoved(fields, taskFields);
    if (broken.length > 0 && first("signature", ...broken)) {
      log.warn("submission.signature_broken", { submission, user, fields: broken });
    }
    if (passedOver !== undefined && first("envid")) {
      log.warn("identity.envid_ignored", { submission, user });
    }
  };
}
