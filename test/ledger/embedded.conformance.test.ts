import { diskHarness, memoryHarness } from "../conformance/ledger-embedded.ts";
import { runLedgerProtocol } from "../conformance/ledger-protocol.ts";
import { runLedgerConformance } from "../conformance/run-ledger.ts";

runLedgerConformance("embedded, in memory, losing power", () => memoryHarness());
runLedgerConformance("embedded, on the disk, killed", diskHarness, {
  skip: [
    {
      reason: "a failing disk is injected in memory; test/storage/disk.test.ts fills a real one",
      rules: ["storage error"],
    },
  ],
});
runLedgerProtocol("embedded, in memory, losing power", () => memoryHarness());
