// Debian's Exim as one of the relays. It can't be installed beside Postfix, so its packages are unpacked apart and laid
// over /usr and /etc for its own processes alone (a mount namespace, which needs root). It syncs each mail's two
// files before it says 250; nothing turns that off.
import { execFileSync, spawn } from "node:child_process";
import {
  chmodSync,
  closeSync,
  existsSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  writeFileSync,
} from "node:fs";
import { dirname, join, resolve } from "node:path";
import { endProcess, freePort, greets } from "../../test/support/peers.ts";
import { atExit } from "./at-exit.ts";
import { createCpuGroup } from "./cpu-group.ts";
import type { Contestant, Relay } from "./relay.ts";
import { startSink } from "./sink.ts";

/** With the libraries that a system with Postfix may lack. */
const PACKAGES = ["exim4-daemon-light", "libidn12", "libgnutls-dane0", "libunbound8", "libevent-2.1-7"];
const PREFIX = resolve("build/peers/exim");
const USR = join(PREFIX, "usr");

export const exim: Contestant = {
  name: "Exim",
  setUp:
    "syncs the files of each mail, and relays it as soon as it is accepted, in a separate process. It takes no part " +
    "with 1,000 connections, since each is a process too.",
  version,
  start,
};

/** On another system than Debian it can't be downloaded. */
function version(): string | undefined {
  try {
    mkdirSync(PREFIX, { recursive: true });
    if (!existsSync(USR))
      execFileSync("apt-get", ["download", ...PACKAGES], { cwd: PREFIX, stdio: "ignore" });
    const packages = readdirSync(PREFIX).filter((name) => name.endsWith(".deb"));
    for (const name of packages) execFileSync("dpkg", ["-x", name, "."], { cwd: PREFIX });
    const [, version] = packages.map((name) => /^exim4-daemon-light_([\d.]+)/.exec(name)).find(Boolean) ?? [];
    return version;
  } catch {
    return undefined;
  }
}

const configuration = (folder: string, port: number, sinkPort: number): string => `
primary_hostname = exim.example
spool_directory = ${folder}/spool
log_file_path = ${folder}/%slog
split_spool_directory
local_interfaces = 127.0.0.1
daemon_smtp_ports = ${port}
smtp_accept_max = 2000
# No mail is left to the next run of the queue: each is relayed as soon as it is accepted.
smtp_accept_queue_per_connection = 0
keep_environment =
tls_advertise_hosts =
acl_smtp_rcpt = anybody
begin acl
anybody:
  accept
begin routers
sink:
  driver = manualroute
  route_list = * 127.0.0.1
  self = send
  transport = sink
begin transports
sink:
  driver = smtp
  port = ${sinkPort}
  allow_localhost
begin retry
* * F,2h,1m
`;

async function start(folder: string): Promise<Relay> {
  for (const path of ["spool", "etc/exim4"]) mkdirSync(join(folder, path), { recursive: true });
  // Exim's own user has to get into what mkdtemp made for us alone.
  chmodSync(dirname(folder), 0o755);
  execFileSync("chown", ["-R", "nobody", folder]);
  const sink = await startSink(folder);
  const port = await freePort();
  const etc = join(folder, "etc");
  const uid = execFileSync("id", ["-u", "nobody"], { encoding: "utf8" }).trim();
  const user = `Debian-exim:x:${uid}:${uid}::/nonexistent:/usr/sbin/nologin\n`;
  writeFileSync(join(etc, "passwd"), readFileSync("/etc/passwd", "utf8") + user);
  writeFileSync(join(etc, "group"), `${readFileSync("/etc/group", "utf8")}Debian-exim:x:${uid}:\n`);
  writeFileSync(join(etc, "exim4/exim4.conf"), configuration(folder, port, sink.port));

  const over = (folder: string, path: string): string =>
    `mount -t overlay none -o lowerdir=${folder}:${path} ${path}`;
  const start = [over(USR, "/usr"), over(etc, "/etc"), "exec /usr/sbin/exim4 -bdf -q1m"].join(" && ");
  const log = openSync(join(folder, "log"), "w");
  const child = spawn("unshare", ["--mount", "--propagation", "private", "sh", "-c", start], {
    stdio: ["ignore", log, log],
  });
  closeSync(log);
  const ended = atExit(() => child.kill());
  const pid = child.pid as number;
  const cpu = createCpuGroup(`exim-${pid}`, [pid]);
  await greets(port);
  return {
    ...{ name: exim.name, port, sink, cpu },
    async stop() {
      await endProcess(child);
      ended();
      await cpu.remove();
      await sink.stop();
    },
  };
}
