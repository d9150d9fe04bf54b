// What can be a user's name, wherever it comes from: a users file, the configuration, a client's certificate.

/**
 * It becomes the namespace (identity/task.ts), whose length and characters these are: printable ASCII without a
 * space; no ":" either, which ends the name in a users file. RFC 4616 §2 lets a server take 255 octets.
 */
export const USER_NAME = /^[\x21-\x39\x3b-\x7e]{1,255}$/;
