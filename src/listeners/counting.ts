// What a listener counts: who came, who was let in, what they were answered.
import type { Counters } from "../metrics/counters.ts";
import { type Reply, replies } from "../submission/reply.ts";
import type { Admission } from "./admission.ts";

export type ListenerCounters = Pick<Counters, "connections" | "connected" | "replies" | "authentications">;

/** Why somebody was not let in, by the reply that they got. */
const resultOf = (refusal: Reply): "not_allowed" | "blocked" | "full" => {
  if (refusal === replies.notWelcome) return "not_allowed";
  return refusal === replies.blocked ? "blocked" : "full";
};

/** @param place of the listener, `host:port` */
export function countedAdmission(
  admission: Admission,
  place: string,
  { connections, connected }: Pick<ListenerCounters, "connections" | "connected">,
): Admission {
  const results = connections.of(place);
  connected.add(place, 0);
  return {
    ...admission,
    enter(guest, address) {
      const refusal = admission.enter(guest, address);
      if (refusal === undefined) connected.add(place);
      results.add(refusal === undefined ? "accepted" : resultOf(refusal));
      return refusal;
    },
    leave(guest) {
      connected.add(place, -1);
      admission.leave(guest);
    },
  };
}
