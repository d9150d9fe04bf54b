// The outbox of a gateway: its Maildir upstreams, read for people. Reading is bounded, so that a look at large or hostile
// mails holds up no other mail.
import { Readable } from "node:stream";
import type { Config } from "../../config/config.ts";
import { maildirPathOf, viewsOf } from "../../config/routes.ts";
import { createTurns, type Turns } from "../../submission/turns.ts";
import { createMaildirFolder, type OpenMail } from "./folder.ts";
import { attachmentOf, contentOf, summaryOf, takeApart } from "./mail.ts";
import type { Looked, MailSummary, Outbox, OutboxDesk } from "./words.ts";

/** Mails that are open at once, over all Maildirs: a download takes as long as its reader. */
const OPEN_MAX = 4;

/** @returns undefined where no upstream is a Maildir */
export function createOutboxDesk(config: Config): OutboxDesk | undefined {
  const views = viewsOf(config);
  const maildirs = views.filter(({ config: view }) => view.upstream.kind === "maildir");
  if (maildirs.length === 0) return undefined;
  const shared: Shared = { taken: 0, turns: createTurns() };
  return {
    boxes: maildirs.map(({ name, config: view }, at) => ({
      ...{ name, isFirst: at === 0 },
      ...createOutbox(maildirPathOf(view), shared),
    })),
    isOnly: views.length === 1,
  };
}

/** Over all Maildirs. */
interface Shared {
  /** Mails that are open. */
  taken: number;
  readonly turns: Turns;
}

function createOutbox(at: string, shared: Shared): Omit<Outbox, "name" | "isFirst"> {
  const { turns } = shared;
  const folder = createMaildirFolder(at);

  /** @param work calls `close` once it is done with the mail, or rejects */
  async function look<T>(
    name: string,
    work: (mail: OpenMail, close: () => void) => Promise<T | undefined>,
  ): Promise<Looked<T>> {
    if (shared.taken >= OPEN_MAX) return { ok: false, why: "busy" };
    shared.taken++;
    let mail: OpenMail | undefined;
    let isOpen = true;
    const close = (): void => {
      if (!isOpen) return;
      isOpen = false;
      shared.taken--;
      // Nothing was written, so there is nothing to lose.
      mail?.file.close().catch(() => {});
    };
    try {
      mail = await folder.open(name);
      const value = mail === undefined ? undefined : await work(mail, close);
      if (value !== undefined) return { ok: true, value };
    } catch (error) {
      close();
      throw error;
    }
    close();
    return { ok: false, why: "absent" };
  }

  return {
    path: folder.path,

    async list(from, limit) {
      const fault = await folder.fault();
      const { entries, isMore } = await folder.list();
      const mails: MailSummary[] = [];
      for (const entry of entries.slice(from, from + limit)) {
        const mail = await folder.open(entry.name);
        // Somebody has removed it since.
        if (mail === undefined) continue;
        try {
          mails.push(await summaryOf(mail));
        } finally {
          await mail.file.close();
        }
      }
      return { fault, total: entries.length, isMore, mails };
    },

    async has(name) {
      const mail = await folder.open(name);
      await mail?.file.close();
      return mail !== undefined;
    },

    show: (name) =>
      look(name, async (mail, close) => {
        const shown = await takeApart(mail, turns);
        close();
        return shown;
      }),

    attachment: (name, at) => look(name, (mail, close) => attachmentOf(mail, at, turns, close)),

    source: (name) =>
      look(name, async (mail, close) => Readable.from(contentOf(mail, mail.size)).once("close", close)),
  };
}
