// The implementations in docs/identity.md give the Message-IDs of the frozen vectors.
import { spawnSync } from "node:child_process";
import { describe, expect, test } from "vitest";
import { blocksOf, read } from "./tables.ts";

interface Vector {
  readonly name: string;
  readonly task: string;
  readonly recipient: string;
  readonly idRight: string;
  readonly part: string;
  readonly namespace: string;
  readonly secret: string;
  readonly messageId: string;
}

interface Language {
  readonly name: string;
  readonly command: readonly string[];
  /** What makes a program of the code: it reads the vectors from standard input and prints an id a line. */
  readonly program: (code: string) => string;
  /** CI has it, so that it being missing there is a fault. */
  readonly inCi: boolean;
}

const LANGUAGES: readonly Language[] = [
  {
    name: "python",
    command: ["python3", "-c"],
    program: (code) => `${code}
import json, sys
for v in json.load(sys.stdin):
    print(message_id(v["task"], v["recipient"], v["idRight"], v["part"], v["namespace"], v["secret"]))
`,
    inCi: true,
  },
  {
    name: "ruby",
    command: ["ruby", "-e"],
    program: (code) => `${code}
require "json"
JSON.parse($stdin.read).each do |v|
  puts message_id(v["task"], v["recipient"], v["idRight"], v["part"], v["namespace"], v["secret"])
end
`,
    inCi: false,
  },
  {
    name: "php",
    command: ["php", "-r"],
    program: (code) => `${code}
foreach (json_decode(file_get_contents('php://stdin'), true) as $v) {
    echo message_id($v['task'], $v['recipient'], $v['idRight'], $v['part'], $v['namespace'], $v['secret']), "\\n";
}
`,
    inCi: false,
  },
];

const doc = read("docs/identity.md");
const vectors = JSON.parse(read("fixtures/vectors/message-id.json")) as Vector[];
const isMissing = (command: string): boolean => spawnSync(command, ["--version"]).error !== undefined;

describe.each(LANGUAGES)("$name", ({ name, command: [command = "", flag = ""], program, inCi }) => {
  test("gives the Message-ID of every vector", ({ skip }) => {
    skip(isMissing(command) && !(inCi && process.env.CI !== undefined), `${command} is not installed`);
    const [code, ...others] = blocksOf(doc, name);
    expect(others).toEqual([]);
    const { stdout, stderr } = spawnSync(command, [flag, program(code ?? "")], {
      input: JSON.stringify(vectors),
      encoding: "utf8",
    });
    expect(stderr).toBe("");
    expect(stdout.trimEnd().split("\n")).toEqual(vectors.map(({ messageId }) => messageId));
  });
});

test("the worked example is a vector", () => {
  const example = vectors.find(({ messageId }) => doc.includes(`    ${messageId}\n`));
  expect(example?.recipient).toBe("user@example.com");
});
