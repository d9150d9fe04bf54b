// Pictures of the pages, for documents: a gateway runs, the demo submits its task twice, and others send what is shown
// beside it.
import { spawn } from "node:child_process";
import { once } from "node:events";
import { type Browser, openWindow, type Page, type View } from "./browser.ts";
import { SCENE, type ScenePlace, startScene } from "./browser-scene.ts";

interface Picture {
  readonly name: string;
  readonly path: string;
  readonly scheme?: View["scheme"];
  /** Goes on from the page. */
  readonly go?: (page: Page) => Promise<void>;
}

const firstMail = async (page: Page): Promise<void> => {
  await page.locator("main tbody th a").first().click();
  await page.locator(".answer").waitFor();
};

export const PICTURES: readonly Picture[] = [
  { name: "overview-light", path: "/" },
  { name: "overview-dark", path: "/", scheme: "dark" },
  { name: "queue", path: "/queue" },
  { name: "mail", path: "/queue?state=held", go: firstMail },
  { name: "outbox", path: "/outbox" },
];

/** A screen's width, and a height that a page of text has room for. */
const SIZE = { width: 1280, height: 640 };

/** Three mails, and three more that are repeats. */
const DEMO = 3;

/** @param signIn signs a window in, where the scene's gateway wants it */
export async function takePictures(
  browser: Browser,
  place: ScenePlace,
  settings: Record<string, string>,
  signIn: (page: Page) => Promise<void>,
): Promise<Map<string, Uint8Array>> {
  const { gateway } = await startScene(place, { settings });
  const demo = spawn(process.execPath, ["dist/main.js", "demo"], {
    stdio: "ignore",
    env: {
      ...process.env,
      MAILONCE_SMTP_PORT: String(gateway.port),
      MAILONCE_UPSTREAM_MAILDIR_PATH: place.outbox,
    },
  });
  const [code] = await once(demo, "close");
  if (code !== 0) throw new Error(`the demo ended with ${code}`);
  await gateway.logged("transmission.relayed", SCENE.relayed + DEMO);
  const origin = `http://${String(gateway.said("gateway.listening")[0]?.http)}`;
  const taken = new Map<string, Uint8Array>();
  for (const { name, path, scheme = "light", go } of PICTURES) {
    const window = await openWindow(browser, origin, { scheme, ...SIZE });
    try {
      await signIn(window.page);
      await window.page.goto(path);
      await go?.(window.page);
      taken.set(name, await window.page.screenshot());
    } finally {
      await window.close();
    }
  }
  return taken;
}
