// The store `ledger/state`: fences, marks, what is forgotten, which generations there are, and the ledger's name, each with
// an interface of its own, and the format of it all. Small: what is relayed lies in generations.
import { checkFormat } from "../../storage/format.ts";
import { missingStore, type Storage } from "../../storage/storage.ts";
import { type Fences, openFences } from "./fences.ts";
import { type Forgets, openForgets } from "./forgets.ts";
import { createGenerationList, type GenerationList, generationNumber } from "./generation-list.ts";
import { createMarkStore, type MarkStore } from "./mark-store.ts";
import { createNameStore, type NameStore } from "./name.ts";

const NAME = "ledger/state";
const FORMAT = 2;

/** The same records, in a folder without seals. */
const UNSEALED_FORMAT = 1;

export interface State {
  readonly fences: Fences;
  readonly marks: MarkStore;
  readonly forgets: Forgets;
  readonly generations: GenerationList;
  readonly name: NameStore;
  close(): Promise<void>;
}

/**
 * Rejects when the store was written by a mailonce that knows more than this one, or when it is gone while
 * there are generations: a new one would know of no attempt without an answer.
 */
export async function openState(storage: Storage): Promise<State> {
  const names = await storage.list("ledger");
  if (!names.includes("state") && names.some((name) => generationNumber(name) !== undefined)) {
    throw missingStore(
      NAME,
      "which mails are without an answer is then forgotten, and they may be relayed again",
    );
  }
  const store = await storage.openStore(NAME, "short");
  try {
    await checkFormat(store, NAME, FORMAT, [UNSEALED_FORMAT]);
    const fences = await openFences(store);
    return {
      fences,
      marks: createMarkStore(store),
      forgets: await openForgets(store),
      generations: createGenerationList(store),
      name: createNameStore(store),
      async close() {
        await fences.giveBack();
        await store.close();
      },
    };
  } catch (error) {
    await store.close();
    throw error;
  }
}
