// Worlds that are changed in one way, for gateways that are broken on purpose.
import type { World } from "../../src/relay.ts";
import type { Operation, Store } from "../../src/storage/storage.ts";
import type { Upstream } from "../../src/upstream/upstream.ts";

export const SPOOL = "spool/queue";

/** The key of a transmission. */
export const isSpooled = (key: Uint8Array): boolean => key[0] === "t".charCodeAt(0);

/** A world whose stores of that name are changed. */
export const withStore =
  (name: string | RegExp, change: (store: Store) => Store) =>
  (world: World): World => ({
    ...world,
    storage: {
      ...world.storage,
      async openStore(opened) {
        const store = await world.storage.openStore(opened);
        return (typeof name === "string" ? name === opened : name.test(opened)) ? change(store) : store;
      },
    },
  });

/** A world whose commits are mere writes where `isUnsynced` says so. */
export const unsynced = (name: string | RegExp, isUnsynced: (operation: Operation) => boolean) =>
  withStore(name, (store) => ({
    ...store,
    commit: (operations) =>
      operations.some(isUnsynced) ? store.write(operations) : store.commit(operations),
  }));

export const withTransmit =
  (transmit: (inner: Upstream["transmit"], world: World) => Upstream["transmit"]) =>
  (world: World): World => ({
    ...world,
    upstreams: new Map(
      [...world.upstreams].map(([name, upstream]) => [
        name,
        { ...upstream, transmit: transmit(upstream.transmit, world) },
      ]),
    ),
  });

/**
 * A world whose spool is watched.
 *
 * @param learn called with each transmission that is put or read: its key and its id
 */
export const watchedSpool = (
  world: World,
  learn: (key: Uint8Array, id: string) => void,
  opened: (store: Store) => void,
) => {
  const look = (key: Uint8Array, value: Uint8Array): void => {
    if (!isSpooled(key)) return;
    const { id } = JSON.parse(Buffer.from(value).toString()) as { id: string };
    learn(new Uint8Array(key), id);
  };
  return withStore(SPOOL, (store) => {
    opened(store);
    return {
      ...store,
      commit(operations) {
        for (const operation of operations) {
          if (operation.type === "put") look(operation.key, operation.value);
        }
        return store.commit(operations);
      },
      async *entries(range) {
        for await (const entry of store.entries(range)) {
          look(...entry);
          yield entry;
        }
      },
    };
  })(world);
};
