// Preloaded into a gateway: kills its process, as a crash would, before the step of its disk that KILL_AT numbers.
// Steps are what is opened, renamed, removed and synced, and each batch that is written to a store.
import fs from "node:fs";
import { syncBuiltinESMExports } from "node:module";
import { ClassicLevel } from "classic-level";

let left = Number(process.env.KILL_AT);

function step() {
  if (--left > 0) return;
  process.kill(process.pid, "SIGKILL");
  // Not one instruction more: the signal is delivered when the system finds the time.
  for (;;);
}

function before(owner, name) {
  const original = owner[name];
  owner[name] = function (...given) {
    step();
    return Reflect.apply(original, this, given);
  };
}

const handle = await fs.promises.open(import.meta.filename);
for (const name of ["sync", "datasync"]) before(Object.getPrototypeOf(handle), name);
await handle.close();
for (const name of ["open", "rename", "rm", "unlink", "writeFile"]) before(fs.promises, name);
for (const name of ["_open", "_batch", "_close"]) before(ClassicLevel.prototype, name);
syncBuiltinESMExports();
