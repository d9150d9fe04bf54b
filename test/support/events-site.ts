// A scripted SES whose events come to a queue on this machine, and the settings of a gateway that reads them.
import { createEventsPlace, type EventsPlace } from "./events-place.ts";
import { type Place, sesAt } from "./place.ts";
import type { GatewayProcess, Settings } from "./process.ts";
import type { ScriptedSes, ScriptedSesOptions } from "./scripted-ses.ts";
import { createSesPublisher, type Publishing, type SesPublisher } from "./ses-publisher.ts";

export interface EventsSite {
  readonly peer: ScriptedSes;
  readonly events: EventsPlace;
  readonly publisher: SesPublisher;
  /** Doubtful mail is held. */
  readonly settings: Settings;
  start(more?: Settings): Promise<GatewayProcess>;
}

/** @param publishing what SES publishes of each mail */
export async function openEventsSite(
  place: Place,
  publishing: Publishing,
  options: ScriptedSesOptions = {},
): Promise<EventsSite> {
  const events = await createEventsPlace();
  place.atEnd(() => events.close());
  const publisher = createSesPublisher(events.publish);
  publisher.plan(() => publishing);
  const peer = await place.ses({ onTaken: publisher.onTaken, ...options });
  const settings = {
    ...{ SPOOL_RETRY_MIN: "50ms", SPOOL_RETRY_MAX: "200ms", LEDGER_DOUBTFUL: "hold" },
    ...{ UPSTREAM_SES_EVENTS_QUEUE_URL: events.queueUrl, ...sesAt(peer) },
  };
  return { peer, events, publisher, settings, start: (more = {}) => place.start({ ...settings, ...more }) };
}
