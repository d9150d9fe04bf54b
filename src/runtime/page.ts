// A part of a long list, which is read on by a cursor.

export interface PageRequest {
  /** At most so many items; a page may have fewer, or none, and still not be the last. */
  readonly limit: number;
  /** `next` of the page before. */
  readonly cursor?: string | undefined;
}

export interface Page<T> {
  readonly items: readonly T[];
  /** The cursor of the next page; left out when there is no more. */
  readonly next?: string;
}
