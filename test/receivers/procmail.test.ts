// procmail: by itself it keeps both copies; with examples/receivers/procmailrc, one.
import { readFileSync } from "node:fs";
import { resolve } from "node:path";
import { findProgram } from "../support/peers.ts";
import { test } from "../support/place.ts";
import { canDeliver, type DeliveryAgent, receiverOf } from "./delivery-agent.ts";
import { losesWhatFailsFirst, receives } from "./receiver.ts";

const procmail = findProgram("procmail");
const available = procmail !== undefined && canDeliver;
const RECIPE = readFileSync(resolve("examples/receivers/procmailrc"), "utf8");

const agent = (recipe: string): DeliveryAgent => ({
  program: procmail as string,
  rules: ({ inbox }) => `DEFAULT=${inbox}\nORGMAIL=${inbox}\n${recipe}`,
  // Otherwise the home of the user who runs it.
  args: ({ path, inbox }, rules) => ["-t", `HOME=${path}`, `ORGMAIL=${inbox}`, rules],
});

receives("procmail by itself", {
  available,
  start: async (place) => receiverOf(place, agent("")),
  copies: { kept: 2, overwritten: 2 },
});

receives("procmail with the recipe", {
  available,
  start: async (place) => receiverOf(place, agent(RECIPE)),
  copies: { kept: 1, overwritten: 1 },
});

// It is another process, which ends well where this one fails.
receives("procmail with the recipe, and one of the user's that delivers a copy", {
  available,
  start: async (place) => receiverOf(place, agent(`${RECIPE}\n:0 c\n{\n  :0\n  $HOME/copies/\n}\n`)),
  copies: { kept: 1, overwritten: 1 },
});

// The recipe of procmailex(5), which names this itself.
test.skipIf(!available)("the usual recipe loses a mail whose delivery fails first", async ({ place }) => {
  const usual = ":0 Wh: msgid.lock\n| formail -D 8192 msgid.cache\n";
  await losesWhatFailsFirst(receiverOf(place, agent(usual)));
});
