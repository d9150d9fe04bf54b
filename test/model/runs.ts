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
];
