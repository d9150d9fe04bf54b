// Loaded into the gateway's process before its own code: on SIGUSR2 it collects garbage and says, as a line
// of the log, what is left. Nothing of the gateway is changed.
import { readFileSync, writeSync } from "node:fs";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";

setFlagsFromString("--expose-gc");
const collect = runInNewContext("gc");

process.on("SIGUSR2", () => {
  collect();
  // What finalizers let go of is collected on the second time.
  setImmediate(() => {
    collect();
    const { heapUsed, external } = process.memoryUsage();
    const status = readFileSync("/proc/self/status", "utf8");
    const octets = (name) => Number(new RegExp(`${name}:\\s+(\\d+) kB`).exec(status)?.[1]) * 1024;
    const memory = { live: heapUsed + external, anonymous: octets("RssAnon"), files: octets("RssFile") };
    writeSync(1, `${JSON.stringify({ event: "probe.memory", ...memory })}\n`);
  });
});
