// The steps at which a gateway is killed whose ledger is shared: those that lie outside of the embedded ledger's stores,
// and the calls of the engine.
import type { EngineMoment } from "../support/crashing-engine.ts";
import { around, load, type Moment, type Step, steps } from "./steps.ts";

const EMBEDDED =
  /the (attempt|settle|doubtful|refusal) commit|the decision as|the settlement by|the forgetting|generation|filter/;

const engine =
  (of: EngineMoment["of"], to?: EngineMoment["to"][number]) =>
  (when: EngineMoment["when"]) =>
  (moment: Moment): boolean =>
    moment.call === "engine" &&
    moment.when === when &&
    moment.of === of &&
    (to === undefined || moment.to.includes(to));

const engineSteps: readonly Step[] = [
  ...around(
    "the engine's claim",
    ["received, the engine knows nothing of it", "claimed in the engine, nothing is in the spool"],
    engine("insert"),
    load,
  ),
  ...around(
    "the engine's attempt",
    ["the upstream is about to be called", "the attempt is noted in the engine, the upstream was not called"],
    engine("change", "attempted"),
    load,
  ),
  ...around(
    "the engine's settlement",
    ["the id is about to become relayed", "the id is relayed, the spool still holds it"],
    engine("change", "relayed"),
    load,
  ),
  ...around(
    "the engine's doubt",
    ["an attempt ended without an answer", "doubtful, and policy has not decided"],
    engine("change", "doubtful"),
    { ...load, occurrences: 5, faults: { "drop-before-reply": 20, "drop-untaken": 20 } },
  ),
  ...around(
    "the engine's decision",
    ["an operator is about to have it count as relayed", "it is relayed, the spool still holds it"],
    engine("change", "relayed"),
    { ...load, faults: { "drop-before-reply": 100 }, decides: true },
  ),
  ...around(
    "the engine's settlement by evidence",
    [
      "evidence was received, nothing is settled",
      "it is relayed, the spool still holds it, nobody was answered",
    ],
    engine("change", "relayed"),
    // Many go in one call.
    { ...load, occurrences: 3, faults: { "drop-before-reply": 100 }, proves: true },
  ),
  ...around(
    "the engine's forgetting",
    ["an operator is about to have a relayed id forgotten", "it is forgotten, and nobody knows"],
    engine("change", "forgotten"),
    { ...load, forgets: true },
  ),
  ...around(
    "the engine's refusal",
    ["refused for now, still attempted in the engine", "queued again, the next attempt is not yet due"],
    engine("change", "queued"),
    { ...load, occurrences: 5, faults: { "refuse-rcpt-4": 20, "refuse-content-4": 20 } },
  ),
];

export const sharedSteps: readonly Step[] = [
  ...steps.filter(({ name }) => !EMBEDDED.test(name)),
  ...engineSteps,
];

export const allSteps: readonly Step[] = [...steps, ...engineSteps];

export function stepNamed(name: string): Step {
  const step = allSteps.find((one) => one.name === name);
  if (step === undefined) throw new Error(`no step is named ${name}`);
  return step;
}
