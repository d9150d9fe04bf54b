// Who answers at each of the two ways to operate a gateway. All that needs the HTTP libraries is imported from here, so that
// it can be loaded as one.
import type { Log } from "../../runtime/log.ts";
import type { OperatorState } from "../routes/parts.ts";
import { apiRoutes } from "../routes/routes.ts";
import { createNetworkDoor, createTokenCheck, type Door, type NetworkDoorParts, ownersDoor } from "./door.ts";
import { createNodeListener, type RequestListener } from "./node-listener.ts";
import type { OnceTokens } from "./once-tokens.ts";
import { createRouter } from "./router.ts";
import { signInRoutes } from "./sign-in.ts";

export interface ListenerParts {
  readonly state: OperatorState;
  readonly network: NetworkDoorParts;
  readonly once: OnceTokens;
  readonly log: Log;
}

export interface Listeners {
  /** Of the address of [http]. */
  readonly network: RequestListener;
  /** Of the operator's socket. */
  readonly owner: RequestListener;
}

export function createListeners({ state, network, once, log }: ListenerParts): Listeners {
  const api = apiRoutes(state);
  const { tokens, sessions } = network;
  const signIn = createTokenCheck(network, (token) => tokens?.find(token) ?? once.take(token));
  const listenerFor = (door: Door, routes: typeof api): RequestListener =>
    createNodeListener(createRouter(routes, door, log));
  return {
    network: listenerFor(createNetworkDoor(network), [...api, ...signInRoutes(signIn, sessions, log)]),
    owner: listenerFor(ownersDoor, api),
  };
}
