// As mailers submit: one connection a mail with STARTTLS and AUTH PLAIN, beside Postfix with the same certificate and a
// password. What counts is the processor time of a mail beyond that of a bare handshake, as TLS costs both the same.
//
//   npm run bench:mailers [-- --seconds 2 --turns 3]
import { spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { writeUsers } from "../test/support/doors.ts";
import { makeFolder } from "../test/support/process.ts";
import { writeCertificate } from "../test/support/short-certificate.ts";
import { decimal, microseconds, whole } from "./support/figures.ts";
import { startGateway } from "./support/gateway.ts";
import type { Depth, Errand, Report } from "./support/mailer.ts";
import { startPostfixRelay } from "./support/postfix.ts";
import { expectCount, type Relay } from "./support/relay.ts";
import { median } from "./support/statistics.ts";
import { inTurns, timing } from "./support/turns.ts";

/** Of clients: they do the same work for TLS as the server, in a slower language than Postfix. */
const PROCESSES = 4;
const OCTETS = 4_096;
const USER = { username: "shop", password: "correct horse" };
const DEPTHS: readonly Depth[] = ["handshake", "auth", "mail"];
const CLIENT = fileURLToPath(new URL("support/mailer.js", import.meta.url));
/** A server that is compiled while it runs has run for some seconds then. */
const WARM = 1_600;
const AT_LEAST = 200;
/** What a server still does when the last client has gone. */
const AFTERWARDS_MS = 300;

interface Way {
  readonly relay: Relay;
  readonly connections: number;
  readonly resumes: boolean;
  readonly depth: Depth;
}

interface Measured extends Report {
  /** Of the relay, microseconds a connection. */
  readonly cpu: number;
}

/** A process of its own, as long as it takes. */
async function run(errand: Errand): Promise<Report> {
  const client = spawn(process.execPath, [CLIENT, JSON.stringify(errand)], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  let output = "";
  client.stdout.setEncoding("utf8").on("data", (text: string) => {
    output += text;
  });
  const [code] = await once(client, "close");
  if (code !== 0) throw new Error(`a client ended with ${code}: ${JSON.stringify(errand)}`);
  return JSON.parse(output) as Report;
}

/** @param wanted connections, over all processes, about */
async function measure({ relay, connections, ...way }: Way, wanted: number): Promise<Measured> {
  const messages = Math.ceil(wanted / PROCESSES);
  const before = { cpu: relay.cpu.used(), count: relay.sink.count() };
  const reports = await Promise.all(
    Array.from({ length: PROCESSES }, () =>
      run({
        ...way,
        ...USER,
        port: relay.port,
        connections: connections / PROCESSES,
        messages,
        octets: OCTETS,
      }),
    ),
  );
  if (way.depth === "mail") {
    await relay.sink.reached(before.count + messages * PROCESSES);
    await expectCount(relay, before.count + messages * PROCESSES);
  } else await new Promise((resolve) => setTimeout(resolve, AFTERWARDS_MS));
  const of = (figure: (report: Report) => number): number => median(reports.map(figure));
  return {
    rate: reports.reduce((sum, { rate }) => sum + rate, 0),
    busy: of(({ busy }) => busy),
    resumed: of(({ resumed }) => resumed),
    steps: (reports[0] as Report).steps.map(([step], at) => [step, of(({ steps }) => steps[at]?.[1] ?? 0)]),
    cpu: (relay.cpu.used() - before.cpu) / (messages * PROCESSES),
  };
}

const { seconds, turns } = timing({ seconds: 2, turns: 3 });
const folder = makeFolder();
const relays: Relay[] = [];
try {
  const tls = writeCertificate(folder.path, 30);
  if (tls === undefined) throw new Error("openssl is missing");
  const users = join(folder.path, "users");
  await writeUsers(users, { [USER.username]: USER.password });
  const gateway = await startGateway(join(folder.path, "gateway"), {
    ...{ SMTP_TLS: "required", SMTP_AUTH: "everyone", ACCESS_USERS_FILE: users },
    ...{ TLS_CERT_FILE: tls.cert, TLS_KEY_FILE: tls.key, HTTP_ENABLED: "false" },
  });
  relays.push(gateway);
  const postfix = await startPostfixRelay(join(folder.path, "postfix"), { tls, auth: USER });
  relays.push(postfix);

  const ways = [20, 200].flatMap((connections) =>
    [false, true].flatMap((resumes) =>
      DEPTHS.flatMap((depth) => relays.map((relay): Way => ({ relay, connections, resumes, depth }))),
    ),
  );
  // Warm, and known how many connections last so long: a bare handshake takes less.
  const wanted = new Map<Relay, number>();
  for (const relay of relays) {
    const { rate } = await measure({ relay, connections: 20, resumes: false, depth: "mail" }, WARM);
    wanted.set(relay, Math.max(Math.ceil(rate * seconds), AT_LEAST));
  }
  const measured = await inTurns(turns, ways, (way) => measure(way, wanted.get(way.relay) ?? AT_LEAST));

  const figure = (way: Omit<Way, "relay">, relay: Relay, of: (one: Measured) => number): number => {
    const same = ways.find(
      (one) =>
        one.relay === relay && Object.entries(way).every(([name, value]) => one[name as keyof Way] === value),
    );
    return median((measured.get(same as Way) ?? []).map(of));
  };
  const cpu = ({ cpu: one }: Measured): number => one;

  console.log(
    "| at once | sessions | relay | mails a second | resumed | clients busy | a mail | a bare handshake | beyond it | of Postfix's |",
  );
  console.log("|---:|---|---|---:|---:|---:|---:|---:|---:|---:|");
  for (const connections of [20, 200]) {
    for (const resumes of [false, true]) {
      const mail = { connections, resumes, depth: "mail" } as const;
      const beyond = (relay: Relay): number =>
        figure(mail, relay, cpu) - figure({ ...mail, depth: "handshake" }, relay, cpu);
      for (const relay of relays) {
        const cells = [
          ...[whole(connections), resumes ? "resumed" : "new", relay.name],
          whole(figure(mail, relay, ({ rate }) => rate)),
          ...[({ resumed }: Measured) => resumed, ({ busy }: Measured) => busy].map((of) =>
            decimal(figure(mail, relay, of)),
          ),
          microseconds(figure(mail, relay, cpu)),
          microseconds(figure({ ...mail, depth: "handshake" }, relay, cpu)),
          microseconds(beyond(relay)),
          decimal(beyond(relay) / beyond(postfix)),
        ];
        console.log(`| ${cells.join(" | ")} |`);
      }
    }
  }

  console.log(
    "\n| processor time, 20 at once | sessions | until the handshake, and QUIT | EHLO again, AUTH PLAIN | the mail |",
  );
  console.log("|---|---|---:|---:|---:|");
  for (const resumes of [false, true]) {
    for (const relay of relays) {
      const [handshake, auth, mail] = DEPTHS.map((depth) =>
        figure({ connections: 20, resumes, depth }, relay, cpu),
      );
      const parts = [handshake, (auth ?? 0) - (handshake ?? 0), (mail ?? 0) - (auth ?? 0)];
      console.log(
        `| ${relay.name} | ${resumes ? "resumed" : "new"} | ${parts.map((part) => microseconds(part ?? 0)).join(" | ")} |`,
      );
    }
  }

  console.log(
    "\n| by the clock of the client, 20 at once, new sessions, ms | mailonce | Postfix |\n|---|---:|---:|",
  );
  const whole20 = { connections: 20, resumes: false, depth: "mail" } as const;
  const [first] = measured.get(ways.find(({ depth }) => depth === "mail") as Way) ?? [];
  for (const [at, [step]] of (first?.steps ?? []).entries()) {
    const cells = relays.map((relay) =>
      decimal(figure(whole20, relay, ({ steps }) => steps[at]?.[1] ?? Number.NaN)),
    );
    console.log(`| ${step} | ${cells.join(" | ")} |`);
  }
} finally {
  for (const relay of relays) await relay.stop();
  folder.remove();
}
