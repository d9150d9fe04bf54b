// The password for a command: typed without an echo, or the first line of standard input where that is no
// terminal. Never an argument: process lists and the history of shells show those.
import { createInterface } from "node:readline";
import { type Readable, Writable } from "node:stream";

export interface Terminal {
  readonly input: Readable & { readonly isTTY?: boolean };
  /** For questions; not standard output, which may be a file. */
  readonly prompts: Writable;
}

export type PasswordResult =
  | { readonly ok: true; readonly password: string }
  | { readonly ok: false; readonly fault: string };

/** Longer than any that is used; a file that was piped in by mistake is none. */
const OCTETS_MAX = 1_024;

export const processTerminal: Terminal = { input: process.stdin, prompts: process.stderr };

/** @param again ask a second time, where it is typed, since nobody can see it */
export async function readPassword({ input, prompts }: Terminal, again: boolean): Promise<PasswordResult> {
  const questions = again ? ["Password: ", "Again: "] : ["Password: "];
  const answers = input.isTTY === true ? await typed(input, prompts, questions) : await firstLine(input);
  const [password] = answers;
  const fault = (text: string): PasswordResult => ({ ok: false, fault: text });
  if (password === undefined) return fault("no password was given");
  if (password === "") return fault("an empty password is none");
  if (Buffer.byteLength(password) > OCTETS_MAX) return fault(`a password has ${OCTETS_MAX} octets at most`);
  // A client can't send it in AUTH PLAIN (RFC 4616 §2).
  if (password.includes("\0")) return fault("a password can't hold a NUL");
  if (answers.some((answer) => answer !== password)) return fault("the two passwords are not the same");
  return { ok: true, password };
}

/** A line for each question, edited as in a terminal; none when it was given up with control-C or -D. */
function typed(input: Readable, prompts: Writable, questions: readonly string[]): Promise<string[]> {
  const nowhere = new Writable({ write: (_chunk, _encoding, done) => done() });
  // It turns the terminal's own echo off, as long as it is open.
  const lines = createInterface({ input, output: nowhere, terminal: true, historySize: 0 });
  const answers: string[] = [];
  const ask = (): void => void prompts.write(questions[answers.length] ?? "");
  return new Promise((resolve) => {
    lines.on("line", (line) => {
      prompts.write("\n");
      answers.push(line);
      if (answers.length < questions.length) ask();
      else lines.close();
    });
    lines.once("SIGINT", () => lines.close());
    lines.once("close", () => {
      if (answers.length < questions.length) prompts.write("\n");
      resolve(answers.length < questions.length ? [] : answers.slice(0, questions.length));
    });
    ask();
  });
}

/** Up to the first line end, or the end; none when there is nothing at all. */
async function firstLine(input: Readable): Promise<string[]> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of input) {
    const octets = Buffer.from(chunk);
    chunks.push(octets);
    size += octets.length;
    if (octets.includes("\n") || size > OCTETS_MAX + 2) break;
  }
  if (size === 0) return [];
  const [line = ""] = Buffer.concat(chunks).toString("utf8").split("\n");
  return [line.replace(/\r$/, "")];
}
