// Why an operator decides as they do: for the log, the history and, of a bounce, the report.
import { z } from "zod";
import { REASON_MAX } from "./doubtful.ts";

export const reason = z
  .string()
  .max(REASON_MAX, `at most ${REASON_MAX} characters`)
  .regex(
    /^[^\p{Cc}\p{Zl}\p{Zp}]*[^\p{Cc}\p{Zl}\p{Zp}\s][^\p{Cc}\p{Zl}\p{Zp}]*$/u,
    "expected one line of text",
  );
