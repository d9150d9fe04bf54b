// Keys of 20 octets as names, for maps and sets.
import { bufferOf } from "../runtime/buffer-view.ts";

export const nameOf = (key: Uint8Array): string => bufferOf(key).toString("latin1");
