// A Maildir of which a test decides what is in it, and its outbox over HTTP as a browser asks, with a token of the role read.
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import MailComposer from "nodemailer/lib/mail-composer";
import { test as base } from "vitest";
import { loadConfig } from "../../src/config/config.ts";
import { createOutboxDesk } from "../../src/operator/outbox/desk.ts";
import type { OutboxDesk } from "../../src/operator/outbox/words.ts";
import { bearer, type HttpPlace, openHttpPlace, type Reply } from "./http-place.ts";
import { makeFolder } from "./process.ts";

export interface OutboxPlace {
  /** Holds the Maildir, and whatever else a test puts there. */
  readonly folder: string;
  readonly maildir: string;
  readonly http: HttpPlace;
  readonly token: string;
  get(path: string, method?: string): Promise<Reply>;
  /** @param where "new" unless given */
  put(name: string, content: string | Uint8Array, where?: string): void;
}

export function makeMaildir(path: string): void {
  for (const folder of ["", "tmp", "new", "cur"]) mkdirSync(join(path, folder), { mode: 0o700 });
}

/** Of a gateway that relays into the Maildir only. */
export const deskOf = (maildir: string): OutboxDesk | undefined =>
  createOutboxDesk(loadConfig({ environment: { MAILONCE_UPSTREAM_MAILDIR_PATH: maildir } }));

/** `outbox` is the test's own. */
// biome-ignore lint/correctness/noEmptyPattern: vitest reads from the pattern what a fixture needs
export const test = base.extend("outbox", async ({}, { onCleanup }): Promise<OutboxPlace> => {
  const folder = makeFolder();
  const maildir = join(folder.path, "outbox");
  makeMaildir(maildir);
  const http = await openHttpPlace({ withTokens: true, parts: { outbox: deskOf(maildir) } });
  onCleanup(async () => {
    await http.close();
    folder.remove();
  });
  const token = await http.addToken("ann", "read");
  return {
    ...{ folder: folder.path, maildir, http, token },
    get: (path, method = "GET") => http.ask(path, { method, headers: bearer(token) }),
    put: (name, content, where = "new") =>
      writeFileSync(join(maildir, where, name), content, { mode: 0o600 }),
  };
});

/** With CRLF line ends. */
export const lines = (...all: string[]): string => `${all.join("\r\n")}\r\n`;

export const compose = (mail: ConstructorParameters<typeof MailComposer>[0]): Promise<Buffer> =>
  new MailComposer({ newline: "\r\n", ...mail }).compile().build();
