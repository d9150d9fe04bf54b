// Mailers that people use, each of which authenticates and submits one mail. Those that are not installed are not there.
import { spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import { createTransport } from "nodemailer";
import { AUTHORITY, token, trust } from "./doors.ts";
import { findProgram, runClient } from "./peers.ts";

const swaks = findProgram("swaks");
const python = findProgram("python3");
const openssl = findProgram("openssl");

export interface Attempt {
  readonly how: "starttls" | "implicit" | "plain";
  readonly port: number;
  readonly user: string;
  readonly password: string;
  /** The client's address. */
  readonly from: string;
  readonly task: string;
}

const SMTPLIB = `
import smtplib, ssl, sys
how, port, user, password, cafile, source, task = sys.argv[1:]
context = ssl.create_default_context(cafile=cafile)
source = (source, 0)
try:
  if how == "implicit": smtp = smtplib.SMTP_SSL("localhost", int(port), context=context, source_address=source)
  else: smtp = smtplib.SMTP("localhost", int(port), source_address=source)
  if how == "starttls": smtp.starttls(context=context)
  smtp.ehlo()
  smtp.login(user, password)
  smtp.sendmail("a@sender.example", ["b@example.net"], f"X-Task-Id: {task}\\r\\nSubject: x\\r\\n\\r\\nHello\\r\\n")
  print("sent")
except smtplib.SMTPException as error:
  print(type(error).__name__, error)
`;
const clients: Record<string, (attempt: Attempt) => Promise<string>> = {
  "Python's smtplib": async ({ how, port, user, password, from, task }) => {
    const args = [how, String(port), user, password, AUTHORITY, from, task];
    return (await runClient(python ?? "", ["-c", SMTPLIB, ...args])).output;
  },
  nodemailer: async ({ how, port, user, password, from, task }) => {
    const transport = createTransport({
      ...{ host: "localhost", port, secure: how === "implicit", requireTLS: how === "starttls" },
      ...{
        ignoreTLS: how === "plain",
        auth: { user, pass: password },
        tls: { ca: trust.ca },
        localAddress: from,
      },
    });
    try {
      const headers = { "X-Task-Id": task };
      await transport.sendMail({ from: "a@sender.example", to: "b@example.net", text: "Hello", headers });
      return "sent";
    } catch (error) {
      return String(error);
    } finally {
      transport.close();
    }
  },
  swaks: async ({ how, port, user, password, from, task }) => {
    const { code, output } = await runClient(swaks ?? "", [
      ...["--server", "127.0.0.1", "--port", String(port), "--local-interface", from],
      ...["--from", "a@sender.example", "--to", "b@example.net", "--add-header", `X-Task-Id: ${task}`],
      ...["--auth", "PLAIN", "--auth-user", user, "--auth-password", password],
      ...(how === "implicit" ? ["--tls-on-connect"] : how === "starttls" ? ["--tls"] : []),
    ]);
    return code === 0 ? "sent" : output;
  },
  "openssl s_client": async ({ how, port, user, password, from, task }) => {
    const lines = [
      ...["EHLO client.example", `AUTH PLAIN ${token(user, password)}`, "MAIL FROM:<a@sender.example>"],
      ...["RCPT TO:<b@example.net>", "DATA"],
      ...[`X-Task-Id: ${task}\r\nSubject: openssl\r\n\r\nHello\r\n.`, "QUIT"],
    ];
    if (how === "plain") return "plain text is not what it speaks";
    const args = ["s_client", "-quiet", "-crlf", "-ign_eof", "-verify_return_error"];
    const output = await converse(
      openssl ?? "",
      [
        ...[...args, "-CAfile", AUTHORITY, "-connect", `127.0.0.1:${port}`, "-bind", `${from}:0`],
        ...(how === "starttls" ? ["-starttls", "smtp"] : []),
      ],
      lines,
    );
    return /^250 2\.0\.0 queued/m.test(output) ? "sent" : output;
  },
};

const present = { "Python's smtplib": python, nodemailer: "here", swaks, "openssl s_client": openssl };

/** By name; each resolves with "sent", or with what it said. */
export const LOGIN_CLIENTS = Object.entries(clients).filter(
  ([name]) => present[name as keyof typeof present] !== undefined,
);

/** Says a line after each reply, as a person at a terminal. @returns what the program wrote */
async function converse(program: string, args: readonly string[], lines: readonly string[]): Promise<string> {
  const child = spawn(program, args);
  let output = "";
  let replies = 0;
  let said = 0;
  // After -starttls s_client has heard the greeting itself, and reads a first line as soon as TLS is there.
  const greetings = args.includes("-starttls") ? 0 : 1;
  const sayNext = (): void => {
    const next = lines[said];
    if (next === undefined || replies < said + greetings) return;
    said++;
    child.stdin.write(`${next}\n`);
  };
  createInterface({ input: child.stdout }).on("line", (line) => {
    output += `${line}\n`;
    // The last line of a reply: three digits and a space.
    if (!/^\d{3} /.test(line)) return;
    replies++;
    sayNext();
  });
  // What s_client says itself, with the last reply to its own EHLO.
  child.stderr.setEncoding("latin1").on("data", (text: string) => {
    output += text;
  });
  sayNext();
  await once(child, "close");
  return output;
}
