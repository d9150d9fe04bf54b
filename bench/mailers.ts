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
import { decimal, microseconds, milliseconds, whole } from "./support/figures.ts";
import { startGateway } from "./support/gateway.ts";
import { startLibraries } from "./support/libraries.ts";
import type { Depth, Errand, Report } from "./support/mailer.ts";
import { startPostfixRelay } from "./support/postfix.ts";
import { expectCount, type Relay } from "./support/relay.ts";
import { atMost, publish, type Table } from "./support/result.ts";
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
/** Of the steps, what a client waits for. */
const LAST_WAIT = "content, until 250";
const STAND_IN = "the stand-in";
/** What a server still does when the last client has gone. */
const AFTERWARDS_MS = 300;

const FIRST_LOAD: ClientLoad = { connections: 20, resumes: false };
const LOADS: readonly ClientLoad[] = [20, 200].flatMap((connections) =>
  [false, true].map((resumes) => ({ connections, resumes })),
);

const METHOD = `A connection for each mail, as Django, Rails and PHP have it: EHLO, STARTTLS, EHLO, AUTH PLAIN, one recipient, 4 KB, QUIT, a
reply awaited after each. TLS 1.3, at the gateway and at Postfix with the same certificate (P-256), relayed to smtp-sink; Postfix
reads the password from sasldb, the gateway verifies scrypt once. The clients are ${PROCESSES} processes, and the table says how busy each
was. TLS costs both the same, so what counts is the processor time of a mail beyond that of a bare handshake: the same client
that says QUIT after it. Each relay has taken ${WARM} mails before. The stand-in is smtp-server alone: it appends a mail to a file,
syncs the file, answers 250 and throws the mail away. It stalls when the machine does.`;

interface ClientLoad {
  readonly connections: number;
  readonly resumes: boolean;
}

interface Way extends ClientLoad {
  readonly relay: Relay;
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
  if (way.depth === "mail" && relay.name !== STAND_IN) {
    await relay.sink.reached(before.count + messages * PROCESSES);
    await expectCount(relay, before.count + messages * PROCESSES);
  } else await new Promise((resolve) => setTimeout(resolve, AFTERWARDS_MS));
  const of = (figure: (report: Report) => number): number => median(reports.map(figure));
  return {
    rate: reports.reduce((sum, { rate }) => sum + rate, 0),
    busy: of(({ busy }) => busy),
    resumed: of(({ resumed }) => resumed),
    steps: (reports[0] as Report).steps.map(({ name }, at) => ({
      name,
      middle: of(({ steps }) => steps[at]?.middle ?? Number.NaN),
      p99: of(({ steps }) => steps[at]?.p99 ?? Number.NaN),
    })),
    cpu: (relay.cpu.used() - before.cpu) / (messages * PROCESSES),
  };
}

const { seconds, turns } = timing({ seconds: 2, turns: 3 });
const folder = makeFolder();
const running: Relay[] = [];
try {
  const tls = writeCertificate(folder.path, 30);
  if (tls === undefined) throw new Error("openssl is missing");
  const users = join(folder.path, "users");
  await writeUsers(users, { [USER.username]: USER.password });
  const gateway = await startGateway(join(folder.path, "gateway"), {
    ...{ SMTP_TLS: "required", SMTP_AUTH: "everyone", ACCESS_USERS_FILE: users },
    ...{ TLS_CERT_FILE: tls.cert, TLS_KEY_FILE: tls.key, HTTP_ENABLED: "false" },
  });
  running.push(gateway);
  const postfix = await startPostfixRelay(join(folder.path, "postfix"), { tls, auth: USER });
  running.push(postfix);
  const options = { tls, syncs: true, relays: false };
  const standIn = { ...(await startLibraries(join(folder.path, "stand-in"), options)), name: STAND_IN };
  running.push(standIn);
  const relays = [gateway, postfix];
  const all = [...relays, standIn];

  const ways: Way[] = LOADS.flatMap((load) =>
    DEPTHS.flatMap((depth) => relays.map((relay) => ({ ...load, relay, depth }))),
  );
  // For the times until 250 alone.
  ways.push({ ...FIRST_LOAD, relay: standIn, depth: "mail" });
  // Warm, and known how many connections last so long: a bare handshake takes less.
  const wanted = new Map<Relay, number>();
  for (const relay of all) {
    const { rate } = await measure({ ...FIRST_LOAD, relay, depth: "mail" }, WARM);
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

  const beyond = (relay: Relay, way: ClientLoad): number =>
    figure({ ...way, depth: "mail" }, relay, cpu) - figure({ ...way, depth: "handshake" }, relay, cpu);
  const costs: Table = {
    columns: [
      ...["at once", "client", "relay", "mails a second", "resumed", "clients busy"],
      ...["a mail", "a bare handshake", "beyond it", "of Postfix's"],
    ],
    rows: LOADS.flatMap((load) =>
      relays.map((relay) => {
        const of = (one: (measured: Measured) => number): number =>
          figure({ ...load, depth: "mail" }, relay, one);
        return [
          ...[whole(load.connections), load.resumes ? "would resume" : "resumes nothing", relay.name],
          ...[whole(of(({ rate }) => rate)), decimal(of(({ resumed }) => resumed))],
          ...[decimal(of(({ busy }) => busy)), microseconds(of(cpu))],
          microseconds(figure({ ...load, depth: "handshake" }, relay, cpu)),
          ...[microseconds(beyond(relay, load)), decimal(beyond(relay, load) / beyond(postfix, load))],
        ];
      }),
    ),
  };

  const stages: Table = {
    columns: [
      "processor time, 20 at once",
      "until the handshake, and QUIT",
      "EHLO again, AUTH PLAIN",
      "the mail",
    ],
    rows: relays.map((relay) => {
      const [handshake = 0, auth = 0, mail = 0] = DEPTHS.map((depth) =>
        figure({ ...FIRST_LOAD, depth }, relay, cpu),
      );
      return [relay.name, ...[handshake, auth - handshake, mail - auth].map(microseconds)];
    }),
  };

  const [first] = measured.get(ways.find(({ depth }) => depth === "mail") as Way) ?? [];
  const clock = (name: string, relay: Relay, of: "middle" | "p99"): number =>
    figure({ ...FIRST_LOAD, depth: "mail" }, relay, (one) => {
      return one.steps.find((step) => step.name === name)?.[of] ?? Number.NaN;
    });
  const row = (name: string, of: "middle" | "p99"): string[] =>
    all.map((relay) => milliseconds(clock(name, relay, of)));
  const times: Table = {
    columns: ["by the clock of the client, 20 at once", ...all.map(({ name }) => name)],
    rows: [
      ...(first?.steps ?? []).map(({ name }) => [name, ...row(name, "middle")]),
      [`${LAST_WAIT}, p99`, ...row(LAST_WAIT, "p99")],
    ],
  };

  publish({
    name: "mailers",
    question: "As mailers submit",
    method: METHOD,
    tables: [costs, stages, times],
    targets: [
      ...LOADS.map((load) =>
        atMost(
          `a mail beyond a bare handshake, ${load.connections} at once, the client ${load.resumes ? "would resume" : "resumes nothing"}`,
          0.5,
          beyond(gateway, load) / beyond(postfix, load),
          (value) => `${decimal(value)} of Postfix's`,
        ),
      ),
      atMost(
        "p99 from final dot to 250, as mailers submit, 20 at once",
        1.5,
        clock(LAST_WAIT, gateway, "p99") / clock(LAST_WAIT, standIn, "p99"),
        (value) => `${decimal(value)} times the stand-in's`,
      ),
    ],
  });
} finally {
  for (const relay of running) await relay.stop();
  folder.remove();
}
