// maildrop: by itself it keeps both copies; with examples/receivers/mailfilter, one.
import { readFileSync } from "node:fs";
import { resolve } from "node:path";
import { findProgram } from "../support/peers.ts";
import { test } from "../support/place.ts";
import { canDeliver, type DeliveryAgent, receiverOf } from "./delivery-agent.ts";
import { losesWhatFailsFirst, receives } from "./receiver.ts";

const maildrop = findProgram("maildrop");
const available = maildrop !== undefined && canDeliver;
const FILTER = readFileSync(resolve("examples/receivers/mailfilter"), "utf8");

const agent = (filter: string): DeliveryAgent => ({
  program: maildrop as string,
  // Otherwise the home of the user who runs it.
  rules: ({ path, inbox }) => `HOME="${path}"\nDEFAULT="${inbox}"\n${filter}`,
  args: (_, rules) => [rules],
});

receives("maildrop by itself", {
  available,
  start: async (place) => receiverOf(place, agent("")),
  copies: { kept: 2, overwritten: 2 },
});

receives("maildrop with the filter", {
  available,
  start: async (place) => receiverOf(place, agent(FILTER)),
  copies: { kept: 1, overwritten: 1 },
});

// As in the manual of reformail.
test.skipIf(!available)("the usual filter loses a mail whose delivery fails first", async ({ place }) => {
  const usual = 'SHELL="/bin/sh"\n`reformail -D 8000 "$HOME/duplicates"`\nif ($RETURNCODE == 0)\n  exit\n';
  await losesWhatFailsFirst(receiverOf(place, agent(usual)));
});
