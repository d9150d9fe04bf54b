// Loaded into the gateway's process before its own code: on SIGUSR2 it collects garbage and says, as a line
// of the log, what is left. Nothing of the gateway is changed.
import { writeSync } from "node:fs";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";

setFlagsFromString("--expose-gc");
const collect = runInNewContext("gc");

process.on("SIGUSR2", () => {
  collect();
  // What finalizers let go of is collected on the second time.
  setImmediate(() => {
    collect();
    const { rss, heapUsed, external } = process.memoryUsage();
    writeSync(1, `${JSON.stringify({ event: "probe.memory", rss, live: heapUsed + external })}\n`);
  });
});
