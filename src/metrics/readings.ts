// What is read when somebody asks for the metrics, beside what is counted: the gateway's state at that moment.

export interface StateReading {
  readonly count: number;
  /** Milliseconds since the epoch; absent where there is none. */
  readonly oldestAcceptedAt?: number;
  readonly oldestDueAt?: number;
}

/** One list of upstreams by which mail goes. */
export interface LaneReading {
  readonly name: string;
  readonly upstreams: readonly {
    readonly name: string;
    readonly pause?: object;
    readonly perSecond?: number;
  }[];
  readonly due: StateReading;
  readonly waiting: StateReading;
  readonly held: StateReading;
}

/** What may be sent in 24 hours. */
export interface QuotaReading {
  /** Infinity without a limit. */
  readonly max: number;
  readonly remaining: number;
}

export interface Readings {
  readonly version: string;
  readonly nodeVersion: string;
  /** Milliseconds since the epoch. */
  now(): number;
  lanes(): readonly LaneReading[];
  ledger(): { readonly claims: number; readonly doubtful: number };
  /** Of an embedded ledger. */
  readonly remembered?: (() => { readonly ids: number; readonly generations: number }) | undefined;
  /** Of a ledger that several gateways share. */
  readonly shared?: { isUp(): boolean; gateways(): number } | undefined;
  /** Octets; undefined when the disk can't be asked. */
  diskFree(): Promise<number | undefined>;
  /** Octets by kind. */
  memory(): Readonly<Record<string, number>>;
  /** By upstream, of those that have one and know it; absent where none has. */
  readonly quotas?: (() => readonly (readonly [upstream: string, quota: QuotaReading])[]) | undefined;
  /** When an event of SES was read last, milliseconds since the epoch; absent where none are read. */
  readonly lastEventAt?: (() => number | undefined) | undefined;
  /** The end of each listener's certificate, milliseconds since the epoch; absent where no listener has one. */
  readonly certificates?: (() => readonly (readonly [listener: string, notAfter: number])[]) | undefined;
}
