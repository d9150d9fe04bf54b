// What most system tests begin with: a folder, gateways on it, and upstreams for them. All of it ends with the test that
// has the place, or with the file.
import { test as base, vi } from "vitest";
import { type GatewayProcess, makeFolder, type Program, type Settings, startProcess } from "./process.ts";
import { CREDENTIALS, createScriptedSes, type ScriptedSes, type ScriptedSesOptions } from "./scripted-ses.ts";
import { createScriptedSmtp, type ScriptedSmtp, type ScriptedSmtpOptions } from "./scripted-smtp.ts";

export interface Place {
  readonly folder: string;
  /** In the folder: the data folder of a gateway whose settings name no other. */
  readonly data: string;
  /** In the data folder: the Maildir of a gateway without another upstream. */
  readonly outbox: string;
  /** Starts a gateway. It is killed when the place ends. */
  start(settings?: Settings, program?: Program): Promise<GatewayProcess>;
  /** Starts an SMTP server that goes wrong on request. */
  smtp(options?: ScriptedSmtpOptions): Promise<ScriptedSmtp>;
  /** Starts an SES that goes wrong on request. Gateways and commands find credentials for it in the environment. */
  ses(options?: ScriptedSesOptions): Promise<ScriptedSes>;
  /** Does the work when the place ends, before what was asked for earlier. */
  atEnd(work: () => unknown): void;
}

/** Settings of a gateway whose upstream is an SMTP server of this machine, without TLS. */
export const smtpAt = (port: number): Settings => ({
  UPSTREAM_KIND: "smtp",
  UPSTREAM_SMTP_HOST: "127.0.0.1",
  UPSTREAM_SMTP_PORT: port,
  UPSTREAM_SMTP_TLS: "none",
});

/** Settings of a gateway whose upstream is an SES of this machine. */
export const sesAt = ({ endpoint }: Pick<ScriptedSes, "endpoint">): Settings => ({
  UPSTREAM_KIND: "ses",
  UPSTREAM_SES_ENDPOINT: endpoint,
});

function openPlace(): { place: Place; end: () => Promise<void> } {
  const works: (() => unknown)[] = [];
  const { path: folder, remove } = makeFolder();
  works.push(remove);
  const data = `${folder}/data`;
  const closed = <T extends { close(): Promise<void> }>(peer: T): T => {
    works.push(() => peer.close());
    return peer;
  };
  return {
    place: {
      ...{ folder, data, outbox: `${data}/outbox` },
      async start(settings = {}, program) {
        const gateway = await startProcess({ DATA_DIR: data, ...settings }, program);
        works.push(() => gateway.kill());
        return gateway;
      },
      smtp: async (options) => closed(await createScriptedSmtp(options)),
      async ses(options) {
        for (const [name, value] of Object.entries(CREDENTIALS)) vi.stubEnv(name, value);
        works.push(() => void vi.unstubAllEnvs());
        return closed(await createScriptedSes({ keepContents: true, ...options }));
      },
      atEnd: (work) => void works.push(work),
    },
    async end() {
      for (const work of works.splice(0).reverse()) await work();
    },
  };
}

/**
 * `place` is the test's own. `shared` is there once for all tests of the file that take it: for what runs on while one
 * test after the other looks at it.
 */
export const test = base
  // biome-ignore lint/correctness/noEmptyPattern: vitest reads from the pattern what a fixture needs
  .extend("place", ({}, { onCleanup }) => {
    const { place, end } = openPlace();
    onCleanup(end);
    return place;
  })
  // biome-ignore lint/correctness/noEmptyPattern: as above
  .extend("shared", { scope: "file" }, ({}, { onCleanup }) => {
    const { place, end } = openPlace();
    onCleanup(end);
    return place;
  });
