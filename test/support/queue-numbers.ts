// A queue for three upstreams: one is away, one puts every mail off, one is paused by an operator. And how many mails wait
// where, as each of those says it that can be asked: status, the list of the queue, and the metrics.
import { randomUUID } from "node:crypto";
import { type GatewayProcess, run, type Settings } from "./process.ts";
import { submitMail, taskMail } from "./smtp-client.ts";

const WAYS = ["away", "late", "paused"] as const;

/** The configuration. @param ports of the one that is away, and of the one that puts off */
export const THREE_WAYS = ({ away, late }: { readonly away: number; readonly late: number }): string =>
  [
    'spool.retry_min = "1h"\nspool.retry_max = "2h"\n',
    ...WAYS.map(
      (name) =>
        `[upstreams.${name}]\nkind = "smtp"\nsmtp.host = "127.0.0.1"\nsmtp.port = ${name === "late" ? late : away}\nsmtp.tls = "none"\n`,
    ),
    ...WAYS.map((name) => `[[routes]]\ndomains = ["${name}.example"]\nupstreams = ["${name}"]\n`).slice(0, 2),
    '[[routes]]\nupstreams = ["paused"]\n',
  ].join("");

/** Recipients of one submission, as many as the default allows. */
const RECIPIENTS_MAX = 1_000;

/** Submits so many mails, each for one recipient, from this domain. */
export async function submitMany(port: number, domain: string, mails: number): Promise<void> {
  for (let left = mails; left > 0; left -= RECIPIENTS_MAX) {
    const from = `app@${domain}`;
    const to = Array.from({ length: Math.min(left, RECIPIENTS_MAX) }, (_, index) => `r${index}@example.net`);
    const content = taskMail(randomUUID()).replace("app@sender.example", from);
    const reply = await submitMail(port, { from, to, content });
    if (!reply.startsWith("250")) throw new Error(reply);
  }
}

/** So many for each way; some of those for the paused one are held by an operator too. */
export async function fillThreeWays(
  { port, logged }: GatewayProcess,
  settings: Settings,
  mails: number,
): Promise<void> {
  await expectDone(run(["pause", "paused", "--reason", "a test"], settings));
  for (const way of WAYS) await submitMany(port, `${way}.example`, mails);
  await logged("transmission.refused", mails);
  await logged("dispatch.paused");
  const held = ["--upstream", "paused", "--limit", String(Math.ceil(mails / 8)), "--all"];
  await expectDone(run(["queue", "hold", ...held], settings));
}

async function expectDone(ran: ReturnType<typeof run>): Promise<string> {
  const { code, stdout, stderr } = await ran;
  if (code !== 0) throw new Error(`it ended with ${code}: ${stderr}`);
  return stdout;
}

/** How many, by upstream and state; where there are none it is left out. */
export type Numbers = Readonly<Record<string, number>>;

interface Told {
  readonly status: Numbers;
  readonly list: Numbers;
  readonly metrics: Numbers;
}

/** Asks all of them until nothing has moved meanwhile: a mail for an upstream that is away is tried now and then. */
export async function numbersOf(gateway: GatewayProcess, settings: Settings): Promise<Told> {
  for (;;) {
    const before = [await attemptsOf(gateway), await fromStatus(settings)];
    const list = await fromList(settings);
    const metrics = await fromMetrics(gateway);
    const status = await fromStatus(settings);
    const after = [await attemptsOf(gateway), status];
    if (JSON.stringify(before) === JSON.stringify(after)) return { status, list, metrics };
  }
}

const counted = (entries: Iterable<readonly [string, number]>): Numbers => {
  const numbers = new Map<string, number>();
  for (const [name, count] of entries) if (count > 0) numbers.set(name, (numbers.get(name) ?? 0) + count);
  return Object.fromEntries([...numbers].sort(([one], [other]) => (one < other ? -1 : 1)));
};

interface Lane {
  readonly name: string;
  readonly [state: string]: unknown;
}

async function fromStatus(settings: Settings): Promise<Numbers> {
  // Some upstream takes nothing.
  const { stdout } = await run(["status", "--json"], settings);
  const { lanes } = JSON.parse(stdout) as { lanes: readonly Lane[] };
  return counted(
    lanes.flatMap((lane) =>
      ["due", "waiting", "underway", "held"].map(
        (state) => [`${lane.name} ${state}`, (lane[state] as { count: number }).count] as const,
      ),
    ),
  );
}

async function fromList(settings: Settings): Promise<Numbers> {
  const lines = (await expectDone(run(["queue", "list", "--json"], settings))).split("\n").slice(0, -1);
  return counted(
    lines.map((line) => {
      const { upstream, state } = JSON.parse(line) as { upstream: string; state: string };
      return [`${upstream} ${state}`, 1] as const;
    }),
  );
}

const metricsText = async (gateway: GatewayProcess): Promise<string> =>
  await (await fetch(`http://${gateway.said("gateway.listening")[0]?.http}/metrics`)).text();

async function fromMetrics(gateway: GatewayProcess): Promise<Numbers> {
  const found = (await metricsText(gateway)).matchAll(
    /^mailonce_queue_transmissions\{upstream="([^"]*)",state="([^"]*)"\} (\d+)$/gm,
  );
  return counted([...found].map(([, upstream, state, count]) => [`${upstream} ${state}`, Number(count)]));
}

/** How many attempts have ended, as the metrics count them. */
const attemptsOf = async (gateway: GatewayProcess): Promise<readonly string[]> =>
  (await metricsText(gateway)).match(/^mailonce_attempts_total\{.*$/gm) ?? [];
