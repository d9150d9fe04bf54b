// Why an operator decides as they do: for the log, the history and, of a bounce, the report.
import { z } from "zod";

/** Characters of a reason: a sentence or two. */
const REASON_MAX = 500;

export const reason = z
  .string()
  .max(REASON_MAX, `at most ${REASON_MAX} characters`)
  .regex(
    /^[^\p{Cc}\p{Zl}\p{Zp}]*[^\p{Cc}\p{Zl}\p{Zp}\s][^\p{Cc}\p{Zl}\p{Zp}]*$/u,
    "expected one line of text",
  );
