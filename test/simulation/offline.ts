// The data folder of a gateway that is not up, opened as `mailonce doubtful` opens it.
export { type OfflineDesk, openOfflineDesk } from "../../src/operator/offline.ts";
