import { runLedgerProtocol } from "../conformance/ledger-protocol.ts";
import { sharedMemoryHarness } from "../conformance/ledger-shared.ts";
import { runLedgerConformance } from "../conformance/run-ledger.ts";

runLedgerConformance("shared, on an engine in memory", () => sharedMemoryHarness());
runLedgerProtocol("shared, on an engine in memory", () => sharedMemoryHarness());
