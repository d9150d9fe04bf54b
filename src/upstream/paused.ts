// How SES says that sending is paused, at its API and at its SMTP endpoint. Pure.

/**
 * "Sending paused for this account", "Sending suspended for this account", "Email sending is disabled for …", "the
 * account's ability to send email is currently paused".
 */
export const SENDING_PAUSED =
  /\b(?:sending|send(?: e-?mails?)?)(?: (?:is|are|was|has been|have been|currently|temporarily|now))* (?:paused|disabled|suspended)\b/i;

/** It speaks of something that a message names itself, so that other messages may pass. */
export const PAUSED_FOR_SOME = /configuration.?set|\btenant\b/i;
