// The faults of a data folder, file by file, while no process has it open.
import { existsSync, readdirSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { type FoundSeals, readSeals, SEAL_FILES, type Seal } from "./seal.ts";
import { checkStore, type Depth, type Finding, holdsStore, isHalfMade } from "./store-check.ts";

/** Small files that are written once; a seal holds their content too. */
export const SEALED_FILES: readonly string[] = ["ledger/gateway"];

/** Stores whose tables are read to the last octet at each start: they are small, and what they hold is acted on. */
const READ_WHOLE: readonly string[] = ["spool/queue", "ledger/state"];

/** Something that the start repairs. */
export interface Repair {
  readonly file: string;
  readonly fault: string;
  readonly consequence: string;
}

export interface FolderCheck {
  readonly seals: FoundSeals;
  /** Something that can't be repaired. */
  readonly findings: readonly Finding[];
  readonly repairs: readonly Repair[];
  /** Stores that are there and in no seal. */
  readonly unsealed: readonly string[];
}

/** The facts about a damaged store for an operator. */
export function consequenceOf(store: string): string {
  if (store === "spool/queue") return "mail that was answered 250 may be lost, or relayed again";
  if (store === "ledger/state")
    return "attempts without an answer may be forgotten, and their mails relayed again";
  if (store.startsWith("ledger/"))
    return "ids relayed before may be forgotten, and their mails relayed again";
  return "what has been relayed may be forgotten, and relayed again";
}

/** @param everywhere reads the tables of all stores to the last octet, and not only of the small ones */
export async function checkFolder(folder: string, everywhere = false): Promise<FolderCheck> {
  const seals = await readSeals(folder);
  const present = storesIn(folder);
  const sealed = Object.entries(seals.seal?.stores ?? {});
  const unsealed: string[] = [];
  for (const name of present) {
    const isKnown = seals.seal?.stores[name] !== undefined;
    // A power cut is no damage.
    if (!isKnown && !(await isHalfMade(join(folder, name)))) unsealed.push(name);
  }
  const findings: Finding[] = sealFindings(seals);
  const depthOf = (name: string): Depth => (everywhere || READ_WHOLE.includes(name) ? "octets" : "sizes");
  for (const [name, seal] of sealed) findings.push(...(await checkStore(folder, name, seal, depthOf(name))));
  for (const name of unsealed) {
    if (isForeign(name, seals.seal)) {
      findings.push({ store: name, file: "", fault: "it was not there at the last stop" });
    } else findings.push(...(await checkStore(folder, name, undefined, depthOf(name))));
  }
  const repairs = [
    ...sealRepairs(seals),
    ...sealed.flatMap(([name]) => levelRepairs(folder, name)),
    ...(await fileRepairs(folder, seals.seal)),
  ];
  return { seals, findings, repairs, unsealed };
}

/** Names of all stores that are in the folder. */
export function storesIn(folder: string): string[] {
  return ["ledger", "spool"].flatMap((part) => {
    const path = join(folder, part);
    if (!existsSync(path)) return [];
    return readdirSync(path, { withFileTypes: true })
      .filter((entry) => entry.isDirectory() && !entry.name.startsWith(".") && entry.name !== "bodies")
      .map(({ name }) => `${part}/${name}`)
      .filter((name) => holdsStore(join(folder, name)));
  });
}

/**
 * A generation that came after an orderly stop. While a process runs, one may be made before it is sealed; and the
 * other stores know by their format whether they have ever been sealed.
 */
function isForeign(name: string, seal: Seal | undefined): boolean {
  const isSealed = seal !== undefined && !seal.running && seal.stores["ledger/state"] !== undefined;
  return isSealed && name.startsWith("ledger/generation-");
}

function sealFindings({ seal, faults, isAny }: FoundSeals): Finding[] {
  if (seal !== undefined || !isAny) return [];
  return [...faults].map(([file, fault]) => ({ store: "", file, fault }));
}

function sealRepairs({ seal, faults }: FoundSeals): Repair[] {
  // After the first one there is no other.
  if (seal === undefined || seal.number === 1) return [];
  const consequence = "it is written anew; nothing is lost, as the other seal is whole";
  return [...faults].map(([file, fault]) => ({ file, fault, consequence }));
}

function levelRepairs(folder: string, store: string): Repair[] {
  if (!existsSync(join(folder, store))) return [];
  const consequence = "it is made anew; nothing is lost, as nothing is read from it";
  return ["LOCK", "LOG"]
    .filter((file) => !existsSync(join(folder, store, file)))
    .map((file) => ({ file: `${store}/${file}`, fault: "it is missing", consequence }));
}

async function fileRepairs(folder: string, seal: Seal | undefined): Promise<Repair[]> {
  const repairs: Repair[] = [];
  for (const [file, content] of Object.entries(seal?.files ?? {})) {
    const path = join(folder, file);
    const found = existsSync(path) ? await readFile(path, "latin1") : undefined;
    if (found === content) continue;
    const fault = found === undefined ? "it is missing" : "it is not as it was written";
    repairs.push({ file, fault, consequence: "it is written anew from the seal; nothing is lost" });
  }
  return repairs;
}

/** Content of the files that a seal keeps, as they are now. */
export async function sealedFilesIn(folder: string): Promise<Record<string, string>> {
  const files: Record<string, string> = {};
  for (const name of SEALED_FILES) {
    const path = join(folder, name);
    if (existsSync(path)) files[name] = await readFile(path, "latin1");
  }
  return files;
}

export const sealNames = SEAL_FILES.join(" and ");
