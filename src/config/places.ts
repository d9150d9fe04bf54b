// Where a value of the configuration came from, for the fault that is about it.

/** The key in its file, or the variable that set it. */
export type PlaceOf = (path: readonly PropertyKey[]) => string;
