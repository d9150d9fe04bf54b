// How SES says that sending is paused, at its API and at its SMTP endpoint. Pure.

/** "Sending paused for this account", "Sending is paused for configuration set …", "Email sending is disabled for …". */
export const SENDING_PAUSED = /\bsending (?:is |has been )?(?:currently )?(?:paused|disabled)\b/i;

/** It speaks of something that a message names itself, so that other messages may pass. */
export const PAUSED_FOR_SOME = /configuration.?set|\btenant\b/i;
