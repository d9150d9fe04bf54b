// What a visitor may see of the state: names, states and counts; neither places nor what anybody said.
import type { PauseStatus, Status, UpstreamStatus } from "./schema.ts";

export const maskedStatus = (status: Status): Status => ({
  ...status,
  troubles: status.troubles.map(({ reason: _, todo: __, ...trouble }) => trouble),
  lanes: status.lanes.map(maskedPause),
  upstreams: status.upstreams.map(maskedUpstream),
});

export const maskedUpstream = ({ place: _, ...upstream }: UpstreamStatus): UpstreamStatus =>
  maskedPause(upstream);

function maskedPause<Paused extends { readonly pause?: PauseStatus | undefined }>(paused: Paused): Paused {
  if (paused.pause === undefined) return paused;
  const { reason: _, firstReason: __, ...pause } = paused.pause;
  return { ...paused, pause };
}
