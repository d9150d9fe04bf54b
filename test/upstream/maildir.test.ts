import files, {
  chmod,
  mkdir,
  mkdtemp,
  readdir,
  readFile,
  rename,
  rm,
  symlink,
  utimes,
  writeFile,
} from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { createMaildirUpstream } from "../../src/upstream/maildir.ts";
import type { MaildirFiles } from "../../src/upstream/maildir-read.ts";
import { messageOf, neverAborted, transmissionOf } from "../support/transmission.ts";

let path: string;
const transmission = transmissionOf({ number: 1 });
const name = `${transmission.id}.host.example`;

beforeEach(async () => {
  path = join(await mkdtemp(join(tmpdir(), "maildir-")), "outbox");
});
afterEach(() => rm(join(path, ".."), { recursive: true, force: true }));

const open = (changed: Partial<MaildirFiles> = {}) =>
  createMaildirUpstream({ path, hostname: "host.example", files: { ...files, ...changed } });

const failing = (code: string, syscall: string) => () =>
  Promise.reject(Object.assign(new Error(`${code}: no`), { code, syscall }));

/** A file whose call of that name fails; every other call reaches the real file. */
const openWith =
  (folder: string, method: "sync" | "appendFile", code: string): MaildirFiles["open"] =>
  async (...args) => {
    const file = await files.open(...args);
    if (String(args[0]).startsWith(folder)) file[method] = failing(code, method);
    return file;
  };

describe("a delivery", () => {
  test("lies in new/ with its trace on top and its octets unchanged", async () => {
    const outcome = await open().transmit(transmission, neverAborted);
    expect(outcome).toEqual({ kind: "accepted", upstreamId: name });
    expect(await readdir(join(path, "new"))).toEqual([name]);
    expect(await readdir(join(path, "tmp"))).toEqual([]);
    expect(await readFile(join(path, "new", name), "latin1")).toBe(
      "Return-Path: <sender@example.org>\r\nDelivered-To: reader@example.net\r\n" +
        Buffer.from(messageOf(transmission.messageId)).toString("latin1"),
    );
  });

  test("of the null reverse-path has an empty Return-Path", async () => {
    await open().transmit(transmissionOf({ number: 1, reversePath: "" }), neverAborted);
    expect(await readFile(join(path, "new", name), "latin1")).toMatch(/^Return-Path: <>\r\n/);
  });

  test("of content in many chunks is whole", async () => {
    await open().transmit(transmissionOf({ number: 1, bodyOctets: 100_000, chunkOctets: 777 }), neverAborted);
    const octets = await readFile(join(path, "new", name));
    expect(octets.subarray(octets.indexOf("Message-ID"))).toEqual(messageOf(transmission.messageId, 100_000));
  });

  test("keeps slash and colon of a host name out of the file's name", async () => {
    const upstream = createMaildirUpstream({ path, hostname: "a/b:c" });
    await upstream.transmit(transmission, neverAborted);
    expect(await readdir(join(path, "new"))).toEqual([`${transmission.id}.a\\057b\\072c`]);
  });
});

test("folders that are removed meanwhile are made again", async () => {
  const upstream = open();
  await upstream.transmit(transmission, neverAborted);
  await rm(path, { recursive: true });
  expect((await upstream.transmit(transmission, neverAborted)).kind).toBe("down");
  expect((await upstream.transmit(transmission, neverAborted)).kind).toBe("accepted");
});

describe("a repeated attempt", () => {
  test("puts the same file in the same place", async () => {
    await open().transmit(transmission, neverAborted);
    await open().transmit(transmission, neverAborted);
    expect(await readdir(join(path, "new"))).toEqual([name]);
  });

  test("takes over what a dead one left in tmp/", async () => {
    await mkdir(join(path, "tmp"), { recursive: true });
    await writeFile(join(path, "tmp", name), "half a mess");
    await open().transmit(transmission, neverAborted);
    expect(await readFile(join(path, "new", name), "latin1")).toMatch(/^Return-Path/);
    expect(await readdir(join(path, "tmp"))).toEqual([]);
  });

  test.each(["", ":2,", ":2,RS"])(
    "after a reader moved the mail to cur/ as %j adds nothing",
    async (flags) => {
      const upstream = open();
      await upstream.transmit(transmission, neverAborted);
      await rename(join(path, "new", name), join(path, "cur", name + flags));
      const outcome = await upstream.transmit(transmission, neverAborted);
      expect(outcome.kind).toBe("accepted");
      expect(await readdir(join(path, "new"))).toEqual([]);
      expect(await readdir(join(path, "tmp"))).toEqual([]);
    },
  );

  test("lists a cur/ that nobody touches once", async () => {
    let lists = 0;
    const readdirCounted = ((...args: Parameters<typeof readdir>) => {
      lists++;
      return files.readdir(...args);
    }) as MaildirFiles["readdir"];
    await mkdir(join(path, "cur"), { recursive: true });
    await utimes(join(path, "cur"), 1_000, 1_000);
    const upstream = open({ readdir: readdirCounted });
    for (let number = 0; number < 5; number++) {
      await upstream.transmit(transmissionOf({ number }), neverAborted);
    }
    expect(lists).toBe(1);
  });
});

describe("what goes wrong", () => {
  test.each([
    ["no space for the content", { open: () => openWith(join(path, "tmp"), "appendFile", "ENOSPC") }],
    ["no permission to make a file", { open: () => failing("EACCES", "open") }],
    ["content that can't be synced", { open: () => openWith(join(path, "tmp"), "sync", "EIO") }],
    ["no permission in new/", { rename: () => failing("EACCES", "rename") }],
    ["no folder", { mkdir: () => failing("EROFS", "mkdir") }],
  ])("before the name is there: %s is refused for all, for now", async (_, changes) => {
    const changed = Object.fromEntries(Object.entries(changes).map(([key, make]) => [key, make()]));
    const outcome = await open(changed).transmit(transmission, neverAborted);
    expect(outcome).toMatchObject({ kind: "down" });
    expect(await readdir(join(path, "new")).catch(() => [])).toEqual([]);
    expect(await readdir(join(path, "tmp")).catch(() => [])).toEqual([]);
  });

  test.each([
    ["the folder can't be synced", () => ({ open: openWith(join(path, "new"), "sync", "EIO") })],
    ["the rename fails", () => ({ rename: failing("EIO", "rename") })],
  ])("once the name may be there: %s is doubtful", async (_, changed) => {
    const outcome = await open(changed()).transmit(transmission, neverAborted);
    expect(outcome.kind).toBe("doubtful");
  });

  test("content that can't be read is refused for this transmission alone", async () => {
    const broken = {
      ...transmissionOf({ chunkOctets: 100 }),
      // biome-ignore lint/correctness/useYield: it fails before its first chunk
      async *content(): AsyncGenerator<Uint8Array> {
        throw new Error("the spool is gone");
      },
    };
    const outcome = await open().transmit(broken, neverAborted);
    expect(outcome).toMatchObject({ kind: "later" });
  });

  test("content cut short is never delivered as if it were whole", async () => {
    const outcome = await open().transmit({ ...transmission, size: transmission.size + 1 }, neverAborted);
    expect(outcome).toMatchObject({ kind: "later" });
    expect(await readdir(join(path, "new"))).toEqual([]);
  });

  test("an abort before the name is there leaves nothing", async () => {
    const outcome = await open().transmit(transmission, AbortSignal.abort());
    expect(outcome).toMatchObject({ kind: "later" });
  });
});

describe("a folder that is not ours alone", () => {
  const outcomeOf = () => open().transmit(transmission, neverAborted);

  test.each(["", "tmp", "new", "cur"])("a link in the place of %j is not followed", async (part) => {
    const elsewhere = join(path, "..", "elsewhere");
    await mkdir(join(elsewhere, "tmp"), { recursive: true });
    await mkdir(join(elsewhere, "new"));
    await mkdir(join(elsewhere, "cur"));
    if (part !== "") await mkdir(path);
    await symlink(join(elsewhere, part), join(path, part));
    expect(await outcomeOf()).toMatchObject({
      kind: "down",
      reply: expect.stringContaining("is a link"),
    });
    expect(await readdir(join(elsewhere, "new"))).toEqual([]);
  });

  test("one that others can write in is refused, and taken once it is closed", async () => {
    await mkdir(path);
    await chmod(path, 0o777);
    expect(await outcomeOf()).toMatchObject({
      kind: "down",
      reply: expect.stringContaining("chmod go-w"),
    });
    await chmod(path, 0o755);
    expect(await outcomeOf()).toMatchObject({ kind: "accepted" });
  });

  test("a link under the name of a mail is not followed, and stops no other", async () => {
    await mkdir(join(path, "tmp"), { recursive: true });
    await symlink(join(path, "..", "victim"), join(path, "tmp", name));
    expect(await outcomeOf()).toMatchObject({ kind: "later" });
    expect(await readdir(join(path, ".."))).toEqual(["outbox"]);
    expect(await open().transmit(transmissionOf({ number: 2 }), neverAborted)).toMatchObject({
      kind: "accepted",
    });
  });
});
