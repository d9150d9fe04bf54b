// What a person sees when the gateway listens, and that a log of JSON has the same facts and nothing else.
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { welcome } from "../../src/cli/welcome.ts";
import { type Config, loadConfig } from "../../src/config/config.ts";
import { read } from "../docs/tables.ts";
import { makeFolder, startProcess } from "../support/process.ts";

const configured = (environment: Record<string, string>): Config => loadConfig({ environment });

const at = { version: "1.2.3", addresses: ["127.0.0.1:2525"] };

test("the block of a default start", () => {
  const config = configured({ MAILONCE_DATA_DIR: "/home/me/mailonce/data" });
  const upstreams = ["maildir /home/me/mailonce/data/outbox"];
  expect(welcome(config, { ...at, upstreams })).toBe(
    [
      "mailonce 1.2.3 listens on 127.0.0.1:2525",
      "  ledger                  embedded; the data folder is /home/me/mailonce/data",
      "  upstream                maildir /home/me/mailonce/data/outbox",
      "  mail without a task id  is relayed as it is, repeats too",
      "  doubtful mail           is relayed again with the same Message-ID: a second copy is possible",
      "  where to look           mailonce demo drops a repeat; relayed mail is in /home/me/mailonce/data/outbox/new",
      "  every setting           docs/configuration.md; to stop, press Ctrl-C",
      "",
    ].join("\n"),
  );
});

test("the README shows that block", () => {
  const version = (JSON.parse(read("package.json")) as { version: string }).version;
  const config = configured({ MAILONCE_DATA_DIR: "/home/me/mailonce/data" });
  const upstreams = ["maildir /home/me/mailonce/data/outbox"];
  const signInUrl = "http://127.0.0.1:2580/login?token=…";
  expect(read("README.md")).toContain(
    `\`\`\`\n${welcome(config, { ...at, version, upstreams, signInUrl })}\`\`\`\n`,
  );
});

test("the block of other settings", () => {
  const config = configured({
    MAILONCE_DATA_DIR: "data",
    MAILONCE_LEDGER_KIND: "postgres",
    MAILONCE_LEDGER_POSTGRES_URL: "postgres://me:hidden@db.example/mail",
    MAILONCE_LEDGER_DOUBTFUL: "hold",
    MAILONCE_IDENTITY_UNKEYED: "fingerprint",
  });
  const addresses = ["127.0.0.1:25", "[::1]:25"];
  const block = welcome(config, { version: "1.2.3", addresses, upstreams: ["smtp a:25", "maildir /b"] });
  expect(block).toContain("listens on 127.0.0.1:25, [::1]:25\n");
  expect(block).toContain(`postgres; the data folder is ${join(process.cwd(), "data")}\n`);
  expect(block).toContain("smtp a:25, maildir /b\n");
  expect(block).toContain("is a repeat when the same content came within 600 s\n");
  expect(block).toContain("is kept until you decide: mailonce doubtful list\n");
  expect(block).toContain("docs/replies.md has every event\n");
  expect(block).not.toContain("hidden");
});

let folder: ReturnType<typeof makeFolder>;
beforeEach(() => {
  folder = makeFolder();
});
afterEach(() => folder.remove());

test("a log of JSON has lines of JSON only, with the same facts", async () => {
  const data = join(folder.path, "data");
  // It reads each line as JSON.
  const gateway = await startProcess({ DATA_DIR: data });
  expect(await gateway.stop()).toBe(0);
  expect(gateway.lines.find(({ event }) => event === "gateway.listening")).toMatchObject({
    host: "127.0.0.1",
    version: (JSON.parse(read("package.json")) as { version: string }).version,
    upstream: `maildir ${join(data, "outbox")}`,
    ledger: "embedded",
    data_dir: data,
    unkeyed: "relay",
  });
});
