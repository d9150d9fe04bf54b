// What opening a shared ledger takes, so that a gateway with an embedded one loads none of it.
export { refuseOthers } from "./agreement.ts";
export { gatewayIdOf } from "./gateway-id.ts";
export { openSharedLedger } from "./shared.ts";
