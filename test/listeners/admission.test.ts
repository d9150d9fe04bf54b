// Connections over all listeners: limits, and who makes room for whom.
import fc from "fast-check";
import { expect, test } from "vitest";
import { networksOf } from "../../src/address/networks.ts";
import { type AdmissionOptions, createAdmission, type Guest } from "../../src/listeners/admission.ts";
import { silentLog } from "../../src/runtime/log.ts";
import type { Reply } from "../../src/submission/reply.ts";

interface TestGuest extends Guest {
  idleSince: number;
  dispensable: boolean;
  readonly heard: Reply[];
}

const guest = (idleSince = 0, dispensable = true): TestGuest => {
  const heard: Reply[] = [];
  return { idleSince, dispensable, heard, dismiss: (reply) => heard.push(reply) };
};

function open(changes: Partial<AdmissionOptions> = {}, now = () => 60_000) {
  return createAdmission(
    {
      connectionsMax: 3,
      connectionsPerAddressMax: 2,
      allowed: networksOf(["0.0.0.0/0", "::/0"]),
      trusted: networksOf(["127.0.0.0/8"]),
      blocked: () => false,
      ...changes,
    },
    now,
    silentLog,
  );
}

test("an address has so many connections, its /64 the same, and a trusted one as many as there are", () => {
  const admission = open({ connectionsMax: 10 });
  const first = guest();
  expect(admission.enter(first, "192.0.2.1")).toBeUndefined();
  expect(admission.enter(guest(), "::ffff:192.0.2.1")).toBeUndefined();
  expect(admission.enter(guest(), "192.0.2.1")).toMatchObject({ code: 421 });
  admission.leave(first);
  expect(admission.enter(guest(), "192.0.2.1")).toBeUndefined();
  expect(admission.enter(guest(), "2001:db8::1")).toBeUndefined();
  expect(admission.enter(guest(), "2001:db8::2")).toBeUndefined();
  expect(admission.enter(guest(), "2001:db8::3")).toMatchObject({ code: 421 });
  expect(admission.enter(guest(), "2001:db8:0:1::1")).toBeUndefined();
  for (let count = 0; count < 5; count++) expect(admission.enter(guest(), "127.0.0.1")).toBeUndefined();
});

test("who is not allowed or is blocked is told so, and not counted", () => {
  const admission = open({
    allowed: networksOf(["10.0.0.0/8"]),
    blocked: (address) => address === "10.0.0.9",
  });
  for (let count = 0; count < 9; count++) {
    expect(admission.enter(guest(), "192.0.2.1")).toMatchObject({ code: 554, status: "5.7.1" });
    expect(admission.enter(guest(), "10.0.0.9")).toMatchObject({ code: 421, status: "4.7.0" });
  }
  expect(admission.enter(guest(), "10.0.0.1")).toBeUndefined();
});

test("a full gateway dismisses whoever has been idle longest without having submitted", () => {
  const admission = open();
  const [submitted, idle, idler] = [guest(1, false), guest(20_000), guest(10_000)];
  for (const [index, one] of [submitted, idle, idler].entries()) admission.enter(one, `192.0.2.${index}`);
  expect(admission.enter(guest(60_000), "192.0.2.9")).toBeUndefined();
  expect([submitted, idle, idler].map(({ heard }) => heard.length)).toEqual([0, 0, 1]);
  expect(idler.heard[0]).toMatchObject({ code: 421, status: "4.3.2" });
  expect(admission.enter(guest(60_000), "192.0.2.9")).toBeUndefined();
  expect(idle.heard).toHaveLength(1);
  // What is left has submitted or has only just come.
  expect(admission.enter(guest(60_000), "192.0.2.10")).toMatchObject({ code: 421 });
  // Leaving after having been dismissed counts once.
  admission.leave(idler);
  admission.leave(submitted);
  expect(admission.enter(guest(60_000), "192.0.2.10")).toBeUndefined();
});

test("strangers that come and go don't keep out whoever is trusted", () => {
  const admission = open();
  const young = [guest(60_000), guest(59_999), guest(60_000, false)];
  for (const [index, one] of young.entries()) admission.enter(one, `192.0.2.${index}`);
  expect(admission.enter(guest(60_000), "192.0.2.9")).toMatchObject({ code: 421 });
  expect(admission.enter(guest(60_000), "127.0.0.1")).toBeUndefined();
  expect(young.map(({ heard }) => heard.length)).toEqual([0, 1, 0]);
  expect(admission.enter(guest(60_000), "127.0.0.1")).toBeUndefined();
  // Those left are trusted and young, or have submitted.
  expect(admission.enter(guest(60_000), "127.0.0.1")).toMatchObject({ code: 421 });
});

test("whatever comes and goes, no limit is passed and nobody is counted twice", () => {
  const step = fc.record({
    address: fc.constantFrom("192.0.2.1", "192.0.2.2", "192.0.2.3", "127.0.0.1"),
    leaves: fc.nat(5),
    dispensable: fc.boolean(),
  });
  fc.assert(
    fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
      let time = 0;
      const admission = open({ connectionsMax: 4 }, () => (time += 2_000));
      const present: { one: TestGuest; address: string }[] = [];
      for (const { address, leaves, dispensable } of steps) {
        const one = guest(time, dispensable);
        const wasFull = present.length >= 4;
        const reply = admission.enter(one, address);
        const dismissed = present.findIndex(({ one: { heard } }) => heard.length > 0);
        if (dismissed >= 0) {
          expect(wasFull).toBe(true);
          expect(present[dismissed]?.one.dispensable).toBe(true);
          present.splice(dismissed, 1);
        }
        if (reply === undefined) present.push({ one, address });
        const count = present.filter((other) => other.address === address).length;
        expect(present.length).toBeLessThanOrEqual(4);
        if (address !== "127.0.0.1") expect(count).toBeLessThanOrEqual(2);
        const leaving = present[leaves];
        if (leaving !== undefined) {
          admission.leave(leaving.one);
          admission.leave(leaving.one);
          present.splice(leaves, 1);
        }
      }
      // All that is left over has to fit in again.
      for (const { one } of present) admission.leave(one);
      for (let count = 0; count < 4; count++) {
        expect(admission.enter(guest(time), `198.51.100.${count}`)).toBeUndefined();
      }
    }),
  );
});
