// Who answers at each of the two ways to operate a gateway. All that needs the HTTP libraries is imported from here, so that
// it can be loaded as one.

import type { RequestListener } from "../../listeners/http/listen.ts";
import type { Clock } from "../../runtime/clock.ts";
import type { Log } from "../../runtime/log.ts";
import {
  createNetworkDoor,
  createTokenCheck,
  type Door,
  type NetworkDoorParts,
  ownersDoor,
} from "../http/door.ts";
import { createNodeListener } from "../http/node-listener.ts";
import type { OnceTokens } from "../http/once-tokens.ts";
import type { Route } from "../http/route.ts";
import { createRouter } from "../http/router.ts";
import { problemPage } from "../pages/frame.ts";
import { pageRoutes } from "../pages/routes.ts";
import { signInRoutes } from "../pages/sign-in.ts";
import type { OperatorState } from "../routes/parts.ts";
import { apiRoutes } from "../routes/routes.ts";

export interface ListenerParts {
  readonly state: OperatorState;
  readonly network: NetworkDoorParts;
  readonly once: OnceTokens;
  readonly clock: Clock;
  readonly log: Log;
}

export interface Listeners {
  /** Of the address of [http]. */
  readonly network: RequestListener;
  /** Of the operator's socket. */
  readonly owner: RequestListener;
}

export function createListeners({ state, network, once, clock, log }: ListenerParts): Listeners {
  const now = (): number => clock.now();
  const api = apiRoutes(state, now);
  const { tokens, sessions } = network;
  const signIn = createTokenCheck(network, (token) => tokens?.find(token) ?? once.take(token));
  const listenerFor = (door: Door, routes: readonly Route[], lost?: Route["problem"]): RequestListener =>
    createNodeListener(createRouter(routes.map(shown), door, log, lost));
  /** Who has decided something sees it in the next answer. */
  const shown = (route: Route): Route => {
    if (route.method === "GET" || route.needs !== "operate") return route;
    return {
      ...route,
      async answer(asked) {
        try {
          return await route.answer(asked);
        } finally {
          state.parts()?.status.decided();
        }
      },
    };
  };
  const pages = [...pageRoutes(state, now), ...signInRoutes(signIn, sessions, log)];
  return {
    network: listenerFor(createNetworkDoor(network), [...api, ...pages], problemPage),
    owner: listenerFor(ownersDoor, api),
  };
}
