import { runLedgerProtocol } from "../conformance/ledger-protocol.ts";
import { sharedMemoryHarness } from "../conformance/ledger-shared.ts";
import { runLedgerConformance } from "../conformance/run-ledger.ts";
import { runSharingConformance } from "../conformance/run-sharing.ts";
import { memorySharingHarness } from "../conformance/sharing-harness.ts";

runLedgerConformance("shared, on an engine in memory", () => sharedMemoryHarness());
runSharingConformance("shared, on an engine in memory", () => memorySharingHarness());
runLedgerProtocol("shared, on an engine in memory", () => sharedMemoryHarness());
