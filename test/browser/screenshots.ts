// npm run screenshots: takes the pictures of docs/pictures again, by the built gateway and Debian's Chromium.
import { mkdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { chromiumProgram, launchBrowser } from "../support/browser.ts";
import { signInAs, withTokens } from "../support/browser-sign-in.ts";
import { takePictures } from "../support/pictures.ts";
import { type GatewayProcess, startProcess } from "../support/process.ts";
import { createScriptedSmtp, type ScriptedSmtp } from "../support/scripted-smtp.ts";

const TARGET = "docs/pictures";

if (chromiumProgram === undefined) throw new Error("chromium is not installed");
// Pages show the path of the outbox, so it is the same for everybody. A folder that is there is somebody's, and refused.
const folder = join(tmpdir(), "mailonce");
mkdirSync(folder, { mode: 0o700 });
const data = join(folder, "data");
const gateways: GatewayProcess[] = [];
const peers: ScriptedSmtp[] = [];
const browser = await launchBrowser(chromiumProgram);
try {
  const place = {
    ...{ folder, outbox: join(data, "outbox") },
    async start(settings = {}) {
      const gateway = await startProcess({ DATA_DIR: data, ...settings });
      gateways.push(gateway);
      return gateway;
    },
    async smtp(options = {}) {
      const peer = await createScriptedSmtp(options);
      peers.push(peer);
      return peer;
    },
  };
  const signIn = (page: Parameters<typeof signInAs>[0]) => signInAs(page, "operate");
  mkdirSync(TARGET, { recursive: true });
  for (const [name, png] of await takePictures(browser, place, withTokens(place), signIn)) {
    writeFileSync(join(TARGET, `${name}.png`), png);
    process.stdout.write(`${TARGET}/${name}.png: ${png.length} octets\n`);
  }
} finally {
  await browser.close();
  await Promise.all([...gateways.map((gateway) => gateway.kill()), ...peers.map((peer) => peer.close())]);
  rmSync(folder, { recursive: true, force: true });
}
