// `npm run disk-errors`: every call of each kind fails once, in a history of its own, until a history has no such call
// any more. `--operation sync,write`, `--when running,starting,stopping`, `--path ledger/generation`, `--end power`,
// `--from 0 --to 9` choose some; `--at-once 2` says how many histories run at the same time.
import { parseArgs } from "node:util";
import { type DiskOperation, OPERATIONS } from "../support/failing-disk.ts";
import { type History, runHistory, type Told } from "./history.ts";

const { values } = parseArgs({
  options: {
    operation: { type: "string", default: Object.keys(OPERATIONS).join(",") },
    when: { type: "string", default: "running,starting,stopping" },
    path: { type: "string", default: "" },
    end: { type: "string", default: "power,stop" },
    from: { type: "string", default: "0" },
    to: { type: "string", default: "100000" },
    "at-once": { type: "string", default: "2" },
  },
});
const say = (line: string): void => void process.stdout.write(`${line}\n`);
const atOnce = Number(values["at-once"]);
const ends = values.end.split(",") as History["end"][];
const begun = performance.now();

interface Row {
  histories: number;
  readonly faults: string[];
}

/** Every `skip` of one kind, so many at once, until one has found no call that it could make fail. */
async function sweep(operation: DiskOperation, when: History["when"], path: string): Promise<Row> {
  const row: Row = { histories: 0, faults: [] };
  let next = Number(values.from);
  let isOver = false;
  const work = async (): Promise<void> => {
    while (!isOver && next <= Number(values.to)) {
      const skip = next++;
      // In turn, and for a loss of power the whole of what is not durable and a part of it.
      const end = when === "stopping" ? "stop" : (ends[skip % ends.length] as History["end"]);
      const part = skip % 4 < 2 ? 1 : 0.5;
      const told = (await runHistory({ fault: { operation, path, skip }, when, end, part })) as Told;
      if (told.failed.length === 0) {
        isOver = true;
        if (told.faults.length === 0) return;
      }
      row.histories++;
      for (const fault of told.faults) {
        row.faults.push(fault);
        say(`${when}, ${operation} ${path} #${skip} (${told.failed.join(", ")}), ${end}: ${fault}`);
      }
    }
  };
  await Promise.all(Array.from({ length: atOnce }, work));
  return row;
}

let faults = 0;
say("| the disk fails | while the gateway is | histories | faults |");
say("|---|---|---:|---:|");
for (const when of values.when.split(",") as History["when"][]) {
  for (const operation of values.operation.split(",") as DiskOperation[]) {
    const row = await sweep(operation, when, values.path);
    faults += row.faults.length;
    say(
      `| ${operation}${values.path === "" ? "" : ` of ${values.path}`} | ${when} | ${row.histories} | ${row.faults.length} |`,
    );
  }
}
say(`${faults} faults in ${Math.round((performance.now() - begun) / 1000)} s`);
process.exitCode = faults === 0 ? 0 : 1;
