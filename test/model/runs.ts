// What spin checks of docs/model: which model, with which bounds, and what it must find.

export interface Run {
  readonly name: string;
  /** What it is about, in a line. */
  readonly about: string;
  /** A file of docs/model. */
  readonly model: string;
  /** Bounds, settings and defects: what the model leaves out or adds when these are defined. */
  readonly flags: readonly string[];
  /**
   * - nothing: every state is looked at, none breaks a promise, and there is no cycle, so every history comes to a good end.
   * - error: there is one, and the shortest is shown.
   */
  readonly finds: "nothing" | "error";
  /** In CI too: it ends within seconds. */
  readonly isShort: boolean;
  /** By hashes of states (bitstate): some states may be missed. */
  readonly isBounded?: boolean;
}

const CONTENT = { model: "content.pml", isShort: true } as const;

export const RUNS: readonly Run[] = [
  {
    ...CONTENT,
    name: "content",
    about:
      "two recipients of one submission: removals that fail, a decision and a loss of power at any moment",
    flags: [],
    finds: "nothing",
  },
  {
    ...CONTENT,
    name: "content-decided-twice",
    about: "the same, without a disk that fails, and two operators",
    flags: ["OPERATORS=2", "FAULTS=0"],
    isShort: false,
    finds: "nothing",
  },
  {
    ...CONTENT,
    name: "content-held",
    about: "the same, where what is in doubt is held",
    flags: ["HOLD", "OPERATORS=2", "FAULTS=1"],
    finds: "nothing",
  },
  {
    ...CONTENT,
    name: "op2",
    about: "a decision takes out what is being attempted, and the spool counts what is left",
    flags: ["TAKEN_OUT_UNDER_WAY", "COUNTED", "FAULTS=0", "CRASHES=0"],
    finds: "error",
  },
  {
    ...CONTENT,
    name: "op3",
    about: "the second of two identical decisions is taken too, and the spool counts what is left",
    flags: ["HOLD", "TAKEN_TWICE", "COUNTED", "OPERATORS=2", "FAULTS=0", "CRASHES=0"],
    finds: "error",
  },
  {
    ...CONTENT,
    name: "spooltake",
    about: "a transmission whose removal is under way counts as removed, and that removal fails",
    flags: ["COUNTED_AT_ONCE", "FAULTS=1"],
    finds: "error",
  },
  ledger("quiet", "two submissions, and an upstream that refuses or does not answer", "nothing", [
    ...["LATERS=1", "REFUSALS=1", "LOST_ANSWERS=1"],
  ]),
  ledger("killed", "a gateway is killed at any step, and starts again", "nothing", [
    "CRASHES=1",
    "LOST_ANSWERS=1",
  ]),
  ledger("stopped", "a process is stopped at any step, for any time", "nothing", [
    "STOPS=1",
    "LOST_ANSWERS=1",
  ]),
  ledger(
    "cut",
    "one gateway can't reach the engine, for any time",
    "nothing",
    ["CUTS=1", "LOST_ANSWERS=1"],
    false,
  ),
  ledger(
    "unanswered",
    "two calls of the engine are not answered: made, never made, or made late",
    "nothing",
    [...["LOST_CALLS=2", "LOST_ANSWERS=1", "UNFIT=1"]],
  ),
  ledger("decided", "an operator decides at any moment, at any gateway", "nothing", [
    ...["DECISIONS=1", "LOST_ANSWERS=1", "REFUSALS=1"],
  ]),
  ledger(
    "held-killed",
    "both gateways hold what is in doubt, an operator decides, and one is killed",
    "nothing",
    [...["POLICY_A=hold", "DECISIONS=1", "LOST_ANSWERS=1", "CRASHES=1"]],
  ),
  ledger("held-unanswered", "the same, and a call of the engine is not answered instead", "nothing", [
    ...["POLICY_A=hold", "DECISIONS=1", "LOST_ANSWERS=1", "LOST_CALLS=1"],
  ]),
  ledger(
    "held-cut",
    "the same, and one gateway can't reach the engine instead",
    "nothing",
    [...["POLICY_A=hold", "DECISIONS=1", "LOST_ANSWERS=1", "CUTS=1"]],
    false,
  ),
  ledger(
    "resent-unanswered",
    "an operator decides about what is sent again, and a call of the engine is not answered",
    "nothing",
    [...["DECISIONS=1", "LOST_ANSWERS=1", "LOST_CALLS=1"]],
    false,
  ),
  ledger(
    "decided-stopped",
    "an operator decides, and a process is stopped",
    "nothing",
    ["DECISIONS=1", "STOPS=1"],
    false,
  ),
  ledger(
    "dropped",
    "both gateways drop what is in doubt, and one is killed",
    "nothing",
    [...["POLICY_A=drop", "CRASHES=1", "LOST_ANSWERS=1"]],
    false,
  ),
  ledger(
    "both-replies",
    "clients of one gateway wait for the verdict, those of the other do not",
    "nothing",
    [...["WAITS_A=0", "WAITS_B=1", "REFUSALS=1", "STOPS=1"]],
    false,
  ),
  ledger(
    "proved",
    "evidence comes at any moment, to any gateway, and one is killed",
    "nothing",
    [...["PROOFS=1", "LOST_ANSWERS=1", "CRASHES=1"]],
    false,
  ),
  ledger("reply-changed", "each start has another reply", "nothing", [
    ...["CRASHES=1", "REPLY_CHANGES", "REFUSALS=1", "WAITS_A=1"],
  ]),
  ledger(
    "stopped-killed",
    "a process is stopped, and one is killed",
    "nothing",
    ["STOPS=1", "CRASHES=1"],
    false,
  ),
  ledger(
    "stopped-unanswered",
    "a process is stopped, and a call is not answered",
    "nothing",
    [...["STOPS=1", "LOST_CALLS=1", "REFUSALS=1"]],
    false,
  ),
  ledger(
    "window",
    "the one window: a process is stopped between its look at the lease and its call",
    "error",
    [...["WINDOW", "STOPS=1"]],
  ),
  ledger(
    "take-without-step",
    "a take compares fence and state, and not whether the holder noted an attempt",
    "error",
    [...["TAKE_WITHOUT_STEP", "CUTS=1", "LOST_ANSWERS=1"]],
  ),
  ledger(
    "look-forgotten",
    "a release without an answer takes the place of the look for a late claim",
    "error",
    [...["LOOK_FORGOTTEN", "LOST_CALLS=2", "UNFIT=1"]],
  ),
  ledger(
    "decision-meets-work",
    "a decision that it was not relayed is made while policy is at work",
    "error",
    [...["MEETS_WORK", "POLICY_A=hold", "DECISIONS=1", "LOST_ANSWERS=1", "CRASHES=1"]],
  ),
  ledger("decision-unlisted", "the list of doubts is what the engine has as in doubt", "error", [
    ...["UNANSWERED_UNLISTED", "POLICY_A=hold", "DECISIONS=1", "LOST_ANSWERS=1", "LOST_CALLS=1"],
  ]),
  ledger(
    "lost-unseen",
    "what is held asks for nothing when another gateway has taken it over",
    "error",
    [...["LOST_UNSEEN", "POLICY_A=hold", "DECISIONS=1", "LOST_ANSWERS=1", "CUTS=1"]],
    false,
  ),
  ledger("reply1", "a start does not bind, and a repeat of what a client waits for gets 250", "error", [
    ...["START_DOES_NOT_BIND", "REPEAT_OF_AWAITED", "REFUSALS=1", "CRASHES=1", "REPLY_CHANGES", "WAITS_A=1"],
  ]),
  ledger("lease-not-looked-at", "a claim is taken over whether its holder is alive or not", "error", [
    "LEASE_NOT_LOOKED_AT",
  ]),
  ledger("attempted-as-new", "what a dead gateway attempted is taken over as not attempted", "error", [
    ...["ATTEMPTED_AS_NEW", "CRASHES=1"],
  ]),
  ledger(
    "repeat-of-the-unspooled",
    "a claim that is not in another's spool yet counts as a repeat",
    "error",
    ["UNSPOOLED_AS_REPEAT"],
  ),
  ledger("fence-not-compared", "a change is made whatever its fence", "error", [
    "FENCE_NOT_COMPARED",
    "STOPS=1",
  ]),
  ledger("step-not-compared", "changes under one fence have no numbers", "error", [
    ...["STEP_NOT_COMPARED", "LOST_CALLS=1"],
  ]),
  ledger("take-not-compared", "a take-over does not compare with what it read", "error", [
    ...["TAKE_NOT_COMPARED", "STOPS=1"],
  ]),
  ledger("pause-not-seen", "an attempt does not look at its lease", "error", ["PAUSE_NOT_SEEN", "STOPS=1"]),
  ledger("attempt-not-written", "the attempt is not written into the ledger", "error", [
    "ATTEMPT_NOT_WRITTEN",
  ]),
  ledger("fails-open", "a call without an answer counts as one that was made", "error", [
    "FAILS_OPEN",
    "LOST_CALLS=1",
  ]),
  batches("batches", "three submissions of two ids, in every overlap, two at one gateway", "nothing", [
    "CALLERS=3",
  ]),
  batches("batches-unanswered", "two submissions, and a call of the engine is not answered", "nothing", [
    "LOST_CALLS=1",
  ]),
  batches(
    "batches-away",
    "two submissions, one gateway stands still for longer than its lease, and one is refused",
    "nothing",
    ["AWAYS=1", "UNFIT=1"],
  ),
  batches(
    "batches-away-unanswered",
    "two submissions, one gateway stands still, and a call is not answered",
    "nothing",
    ["AWAYS=1", "LOST_CALLS=1"],
    false,
  ),
  batches(
    "batches-three-away",
    "three submissions, and one gateway stands still",
    "nothing",
    ["CALLERS=3", "AWAYS=1"],
    false,
  ),
  batches(
    "batches-three-unanswered",
    "three submissions, and a call is not answered",
    "nothing",
    ["CALLERS=3", "LOST_CALLS=1"],
    false,
  ),
  batches(
    "batches-alone-unanswered",
    "three submissions at one gateway, and a call is not answered",
    "nothing",
    ["CALLERS=3", "ALONE", "LOST_CALLS=1"],
    false,
  ),
  batches("answers-swapped", "the answers of a call do not stand in the order of its items", "error", [
    "ANSWERS_SWAPPED",
  ]),
  batches("insert-fails-whole", "a call that finds one of its ids known claims none", "error", [
    "INSERT_FAILS_WHOLE",
  ]),
  batches("change-fails-whole", "a call with one change under a lost claim changes nothing", "error", [
    ...["CHANGE_FAILS_WHOLE", "AWAYS=1"],
  ]),
  batches("nothing-given-back", "a batch that waits for an id keeps those after it", "error", [
    "NOTHING_GIVEN_BACK",
  ]),
  batches("not-in-order", "a batch reserves its ids in the order of its recipients", "error", [
    ...["NOT_IN_ORDER", "CALLERS=3", "ALONE"],
  ]),
  batches("one-left", "of a batch that failed only the first id is given up", "error", [
    ...["ONE_LEFT", "LOST_CALLS=1"],
  ]),
];

/** One id, two gateways. */
function ledger(...[name, about, finds, flags, isShort = true]: Args): Run {
  return { name, about, model: "ledger.pml", flags, finds, isShort };
}

/** Two ids in one batch, two gateways. */
function batches(...[name, about, finds, flags, isShort = true]: Args): Run {
  return { name, about, model: "batches.pml", flags, finds, isShort };
}

type Args = [name: string, about: string, finds: Run["finds"], flags: readonly string[], isShort?: boolean];
