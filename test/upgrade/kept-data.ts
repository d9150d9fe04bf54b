// Copies of test/fixtures/data-0.1.0/ to be opened by the present build.
import { chmodSync, cpSync, readFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { onTestFinished } from "vitest";
import { makeFolder, type Settings } from "../support/process.ts";
import { connectSmtp } from "../support/smtp-client.ts";
import { contentOf, type KeptMail, type Was } from "./kept-mails.ts";

const KEPT = resolve("test/fixtures/data-0.1.0");

/**
 * The folders were left in 2024: nothing of them may be too old. Both are shorter than the time since 1970.
 */
export const KEPT_SETTINGS: Settings = { LEDGER_RETENTION: "19000d", SPOOL_LIFETIME: "18000d" };

const all = JSON.parse(readFileSync(join(KEPT, "mails.json"), "utf8")) as Record<string, KeptMail[]>;

/** The mails that are in the folder, or in the shared ledger under its name. */
export function keptMails(name: string): readonly KeptMail[] {
  const mails = all[name];
  if (mails === undefined) throw new Error(`no folder ${name}`);
  return mails;
}

export const those = (mails: readonly KeptMail[], ...was: readonly Was[]): KeptMail[] =>
  mails.filter((mail) => was.includes(mail.was));

/** A data folder of its own for this test. */
export function copyOf(name: string): string {
  const folder = makeFolder();
  onTestFinished(folder.remove);
  const data = join(folder.path, "data");
  cpSync(join(KEPT, name), data, { recursive: true });
  // As it was: a checkout knows no such mode.
  chmodSync(data, 0o700);
  return data;
}

export const keptFile = (name: string): string => readFileSync(join(KEPT, name), "utf8");

export const submitKept = async (port: number, mail: KeptMail): Promise<string> =>
  (await submitAllKept(port, [mail]))[0] as string;

/** One after the other; the replies. */
export async function submitAllKept(port: number, mails: readonly KeptMail[]): Promise<string[]> {
  const client = await connectSmtp(port);
  const replies: string[] = [];
  try {
    for (const mail of mails) {
      replies.push(await client.submit({ to: [mail.recipient], content: contentOf(mail) }));
    }
    return replies;
  } finally {
    client.destroy();
  }
}

/** As a queue does: again after each 4yz, to any of the gateways, until there is a 250. */
export async function deliverKept(ports: readonly number[], mail: KeptMail): Promise<string> {
  for (let tries = 0; tries < TRIES_MAX; tries++) {
    const reply = await submitKept(ports[tries % ports.length] as number, mail);
    if (reply.startsWith("250 ")) return reply;
    if (!reply.startsWith("4")) throw new Error(`${mail.recipient}: ${reply}`);
    await new Promise((resolve) => setTimeout(resolve, AGAIN_MS));
  }
  throw new Error(`${mail.recipient}: no 250 in ${TRIES_MAX} tries`);
}

const AGAIN_MS = 250;
const TRIES_MAX = 200;
