/** Who says what an event of SES says: for proofs, the log and the history, and for which copies are compared with which. */
export const SES_SOURCE = "ses";
