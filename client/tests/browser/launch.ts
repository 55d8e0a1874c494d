import { execFileSync } from 'node:child_process';
import { join } from 'node:path';
import { build } from 'esbuild';
import { launch } from 'puppeteer-core';
import type { Browser, Page } from 'puppeteer-core';

declare const PACKAGE: string;

/** Chromium, or Firefox with BROWSER=firefox. */
export function startBrowser(): Promise<Browser> {
  return process.env.BROWSER === 'firefox' ? startFirefox() : startChromium();
}

function startChromium(): Promise<Browser> {
  return launch({
    executablePath: pathOf('chromium'),
    headless: true,
    pipe: true,
    args: [
      ...['--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking'],
      ...['--disable-component-update', '--disable-sync', '--disable-dev-shm-usage'],
      ...['--autoplay-policy=no-user-gesture-required', '--use-fake-device-for-media-stream'],
      ...['--use-fake-ui-for-media-stream', '--auto-accept-this-tab-capture'],
      '--auto-select-tab-capture-source-by-title=room',
    ],
  });
}

function startFirefox(): Promise<Browser> {
  return launch({
    browser: 'firefox',
    executablePath: pathOf('firefox-esr'),
    headless: true,
    extraPrefsFirefox: { 'media.autoplay.default': 0 },
  });
}

function pathOf(command: string): string {
  return execFileSync('which', [command]).toString().trim();
}

/** Bundles a file of tests/ for a page. */
export async function bundled(path: string): Promise<string> {
  const { outputFiles } = await build({
    entryPoints: [join(PACKAGE, 'tests', path)],
    bundle: true,
    format: 'iife',
    target: 'es2022',
    write: false,
    define: { 'import.meta.url': JSON.stringify('http://server/') },
  });
  return outputFiles[0]?.text ?? '';
}

/** Waits until an expression holds in the page; returns after how many milliseconds. A busy machine takes long. */
export async function until(page: Page, expression: string, timeout = 45_000): Promise<number> {
  const start = performance.now();
  await page.waitForFunction(expression, { timeout, polling: 20 }).catch(async (error: unknown) => {
    const state = await page.evaluate('JSON.stringify(globalThis.state?.() ?? null)').catch(String);
    throw new Error(`not within ${timeout} ms: ${expression}\n${state}`, { cause: error });
  });
  return Math.round(performance.now() - start);
}
