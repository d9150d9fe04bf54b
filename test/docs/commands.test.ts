// docs/commands.md is made from the commands themselves: `npm run reference` writes it anew.
import { expect, test } from "vitest";
import type { Command } from "../../src/cli/command.ts";
import { allCommands } from "../../src/cli/program.ts";

const HEAD = `# Commands

Every command and option, made from the program itself: \`mailonce COMMAND --help\` says the same. In a clone, \`node dist/main.js\`
stands for \`mailonce\`. [operating.md](operating.md) says what they are for, and [replies.md](replies.md#exit-codes) has the exit
codes.
`;

const everyLeaf = (command: Command): readonly Command[] =>
  command.commands.length === 0 ? [command] : command.commands.flatMap(everyLeaf);

const nameOf = (command: Command): string =>
  command.parent === null ? command.name() : `${nameOf(command.parent)} ${command.name()}`;

const cell = (text: string): string => text.replaceAll("|", "\\|");

function sectionOf(command: Command): string {
  const options = command.options.filter(({ hidden }) => !hidden);
  const rows = options.map(({ flags, description, mandatory }) => {
    const meaning = mandatory ? `${description} (needed)` : description;
    return `| \`${cell(flags)}\` | ${cell(meaning)} |`;
  });
  return [
    `## ${nameOf(command)}`,
    "",
    `${command.description().replace(/^./, (first) => first.toUpperCase())}.`,
    "",
    "```text",
    `${nameOf(command)} ${command.usage()}`,
    "```",
    ...(rows.length === 0 ? [] : ["", "| option | meaning |", "| --- | --- |", ...rows]),
    "",
  ].join("\n");
}

test("the page is made from the commands", async () => {
  const leaves = everyLeaf(allCommands("0", () => {}));
  expect(leaves.length).toBeGreaterThan(20);
  const page = [HEAD, ...leaves.map(sectionOf)].join("\n");
  await expect(page).toMatchFileSnapshot("../../docs/commands.md");
});
