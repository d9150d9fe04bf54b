// The budget of memory: never beyond it, one larger alone, and in the order of asking.
import { expect, test } from "vitest";
import { createBudget } from "../../src/dispatch/budget.ts";

/** Asks for memory as a lane does: again when it is called, until nothing is left to ask for. */
function createAsker(name: string, budget: ReturnType<typeof createBudget>, log: string[]) {
  const wanted: number[] = [];
  const held: (() => void)[] = [];
  const pump = (): void => {
    for (let octets = wanted[0]; octets !== undefined; octets = wanted[0]) {
      const giveBack = budget.take(octets, pump);
      if (giveBack === undefined) return;
      wanted.shift();
      log.push(`${name} ${octets}`);
      held.push(giveBack);
    }
  };
  return {
    ask(...octets: number[]) {
      wanted.push(...octets);
      pump();
    },
    end: () => held.shift()?.(),
    withdraw: () => void wanted.splice(0),
  };
}

function open(octets: number) {
  const log: string[] = [];
  const budget = createBudget(octets);
  return { log, asker: (name: string) => createAsker(name, budget, log) };
}

test("as much at once as fits, the rest as soon as there is room", () => {
  const { log, asker } = open(100);
  const lane = asker("a");
  lane.ask(60, 40, 30, 70);
  expect(log).toEqual(["a 60", "a 40"]);
  lane.end();
  expect(log).toEqual(["a 60", "a 40", "a 30"]);
  lane.end();
  expect(log).toEqual(["a 60", "a 40", "a 30", "a 70"]);
});

test("what is larger than all of it goes alone", () => {
  const { log, asker } = open(100);
  const lane = asker("a");
  lane.ask(10, 500, 10);
  expect(log).toEqual(["a 10"]);
  lane.end();
  expect(log).toEqual(["a 10", "a 500"]);
  lane.end();
  expect(log).toEqual(["a 10", "a 500", "a 10"]);
});

test("small ones of another lane do not keep a large one waiting for ever", () => {
  const { log, asker } = open(100);
  const [small, large] = [asker("small"), asker("large")];
  small.ask(50, 50);
  large.ask(100);
  small.ask(50, 50);
  small.end();
  small.end();
  expect(log).toEqual(["small 50", "small 50", "large 100"]);
  large.end();
  expect(log).toEqual(["small 50", "small 50", "large 100", "small 50", "small 50"]);
});

test("lanes that wait take turns", () => {
  const { log, asker } = open(10);
  const [a, b] = [asker("a"), asker("b")];
  a.ask(10, 10, 10);
  b.ask(10, 10);
  for (const lane of [a, a, b, a]) lane.end();
  expect(log).toEqual(["a 10", "a 10", "b 10", "a 10", "b 10"]);
});

test("a lane that no longer wants anything does not block the others", () => {
  const { log, asker } = open(10);
  const [a, b, c] = [asker("a"), asker("b"), asker("c")];
  a.ask(10);
  b.ask(10);
  c.ask(10);
  b.withdraw();
  a.end();
  expect(log).toEqual(["a 10", "c 10"]);
});

test("giving back twice gives back once", () => {
  const budget = createBudget(10);
  const first = budget.take(10, () => {});
  first?.();
  expect(budget.take(10, () => {})).toBeDefined();
  first?.();
  expect(budget.take(10, () => {})).toBeUndefined();
});
