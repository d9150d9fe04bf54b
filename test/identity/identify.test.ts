// Which task a submission names, and whose domain its Message-ID carries.
import { describe, expect, test } from "vitest";
import { idRightOf } from "../../src/identity/id-right.ts";
import { type IdentitySources, identify } from "../../src/identity/identify.ts";
import { parseHeader } from "../../src/message/header.ts";
import { measureCpu } from "../support/cpu.ts";

const SOURCES: IdentitySources = {
  headers: ["X-Task-Id", "Idempotency-Key"],
  partHeader: "X-Task-Part",
  envid: "any",
};

const of = (header: string, envid?: string | null, change: Partial<IdentitySources> = {}) =>
  identify(parseHeader(Buffer.from(header, "latin1")), envid, { ...SOURCES, ...change });

describe("the task", () => {
  test("the first configured field that is there", () => {
    expect(of("idempotency-key: b\r\nX-TASK-ID: a\r\n", "c")).toEqual({
      kind: "keyed",
      task: "a",
      part: "",
      source: "X-Task-Id",
    });
    expect(of("Idempotency-Key: b\r\n", "c")).toMatchObject({ task: "b", source: "Idempotency-Key" });
  });

  test("ENVID last, and only where it is configured", () => {
    expect(of("Subject: x\r\n", "c")).toEqual({ kind: "keyed", task: "c", part: "", source: "ENVID" });
    expect(of("Subject: x\r\n", "c", { envid: "off" })).toEqual({ kind: "unkeyed" });
    expect(of("Subject: x\r\n", null)).toEqual({ kind: "unkeyed" });
    expect(of("Subject: x\r\n")).toEqual({ kind: "unkeyed" });
  });

  test("a part", () => {
    expect(of("X-Task-Id: a\r\nX-Task-Part: invoice\r\n")).toMatchObject({ task: "a", part: "invoice" });
    expect(of("X-Task-Part: invoice\r\n", "c")).toMatchObject({ task: "c", part: "invoice" });
    expect(of("X-Task-Part: invoice\r\n")).toEqual({ kind: "unkeyed" });
  });

  test("twice the same value is once", () => {
    const uuid = "a9e5a73a-4d4a-4995-a91c-90295e27100a";
    expect(of(`X-Task-Id: ${uuid}\r\nX-Task-Id: {${uuid.toUpperCase()}}\r\n`)).toMatchObject({ task: uuid });
  });

  test.each([
    ["X-Task-Id: a\r\nX-Task-Id: b\r\n", "X-Task-Id occurs several times with different values"],
    ["X-Task-Id:\r\nIdempotency-Key: b\r\n", "X-Task-Id is empty"],
    ["X-Task-Id: \r\n\t\r\n", "X-Task-Id is empty"],
    ["X-Task-Id: a\r\nX-Task-Id:\r\n", "X-Task-Id is empty"],
    ["X-Task-Id: a\0\r\n", "X-Task-Id has a control character (U+0000) at position 2"],
    ["X-Task-Id: \xff\r\n", "X-Task-Id has a character outside ASCII (U+00FF) at position 1"],
    ["X-Task-Id: a\r\nX-Task-Part:\r\n", "X-Task-Part is empty"],
    [
      "X-Task-Id: a\r\nX-Task-Part: a\r\nX-Task-Part: b\r\n",
      "X-Task-Part occurs several times with different values",
    ],
  ])("%j is bad, never passed over", (header, fault) => {
    expect(of(header, "c")).toEqual({ kind: "bad", fault });
  });

  test("a bad ENVID", () => {
    expect(of("", "")).toEqual({ kind: "bad", fault: "ENVID is empty" });
    expect(of("", "a\r\nb")).toEqual({
      kind: "bad",
      fault: "ENVID has a control character (U+000D) at position 2",
    });
  });
});

describe("the right side of the Message-ID", () => {
  const right = (from: string | undefined, reversePath = "bounce@b.example") =>
    idRightOf({ from, reversePath, hostname: "Gateway.example" });

  test.each([
    ["user@A.example", "a.example"],
    ['"Doe, Jane" <jane@a.example>', "a.example"],
    ["Jane (at home) <jane@a.example>, b@c.example", "a.example"],
    ["=?utf-8?q?B=C3=BCro?= <x@xn--bcher-kva.example>", "xn--bcher-kva.example"],
    ["Büro <x@bücher.example>", "xn--bcher-kva.example"],
    ["Team: a@a.example, b@b.example;", "a.example"],
    ["x@[192.0.2.1], y@a.example", "a.example"],
  ])("%s", (from, domain) => {
    expect(right(from)).toBe(domain);
  });

  test("failing that the reverse-path, failing that the hostname", () => {
    for (const from of [undefined, "", "nobody", "x@[192.0.2.1]", "x@a..example", "x@a>b.example\0"]) {
      expect(right(from)).toBe("b.example");
      expect(right(from, "")).toBe("gateway.example");
    }
    expect(idRightOf({ from: undefined, reversePath: "", hostname: "not a host" })).toBe("localhost");
  });

  test("64 KiB of From that is none are read in no time", () => {
    const cpuMs = measureCpu();
    for (const piece of ["<", '"', "(", "a,", "@", "=?", ":;"]) right(piece.repeat(65_536 / piece.length));
    expect(cpuMs()).toBeLessThan(1000);
  });
});
