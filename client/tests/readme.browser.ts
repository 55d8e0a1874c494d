// What the README prints, as it is printed but for the server's address: what a reader pastes works.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import http from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { build } from 'esbuild';
import type { Browser, Page } from 'puppeteer-core';
import { startBrowser, until } from './browser/launch.js';
import { Hairpin } from './browser/server.js';

declare const PACKAGE: string;

let browser: Browser;
const hairpin = new Hairpin();
const pages: Record<string, string> = { '/token': 'a token' };
/** The application's own server. */
const site = http.createServer(({ url = '' }, response) => {
  response.setHeader('content-type', 'text/html');
  response.end(pages[url] ?? '<!doctype html><title>room</title><div id="root"></div><a id="invite">invite</a>');
});

before(async () => {
  await new Promise<void>((listening) => site.listen(0, '127.0.0.1', listening));
  await hairpin.start('--attribute', 'interests=tags', '--attribute', 'rating=number:within=100');
  browser = await startBrowser();
});
after(async () => {
  await browser?.close();
  await hairpin.kill();
  site.close();
  site.closeAllConnections();
});

const home = (): string => `http://127.0.0.1:${(site.address() as AddressInfo).port}`;

function snippets(language: string): string[] {
  const text = readFileSync(join(PACKAGE, 'README.md'), 'utf8');
  const found = [...text.matchAll(new RegExp(`\n\`\`\`${language}\n([^]*?)\n\`\`\``, 'g'))];
  return found.map(([, code]) => (code as string).replaceAll('https://calls.example/', `http://127.0.0.1:${hairpin.port}/`));
}

async function tab(path = '/'): Promise<Page> {
  const page = await browser.newPage();
  page.on('pageerror', (error) => console.log('page:', error));
  await page.goto(home() + path);
  return page;
}

/** A module, in which `client` is a new one unless the code makes its own. */
async function run(page: Page, code: string): Promise<void> {
  const url = `http://127.0.0.1:${hairpin.port}/`;
  const own = code.includes('new HairpinClient') ? '' : `const client = new HairpinClient({ url: '${url}' });`;
  const content = `import { HairpinClient } from '${url}hairpin-client.js'; ${own} ${code}\n Object.assign(globalThis, { client });`;
  await page.addScriptTag({ type: 'module', content });
  await until(page, 'globalThis.client');
}

test('every snippet is one of those that are tried here', () => {
  assert.deepEqual(['html', 'js', 'jsx'].map((language) => snippets(language).length), [1, 3, 1]);
});

test('the page in five lines gets two people into a call', async () => {
  pages['/five'] = `<!doctype html>${snippets('html')[0]}`;
  const both = [await tab('/five'), await tab('/five')];
  for (const page of both) {
    await page.bringToFront();
    await until(page, 'partner.videoWidth > 0 && partner.currentTime > 0');
  }
  for (const page of both) await page.close();
});

test('wishes are what a server takes that declares such attributes', async () => {
  const page = await tab();
  await run(page, `${snippets('js')[0]} globalThis.errors = []; client.on('error', (error) => errors.push(error));`);
  await until(page, 'client.snapshot.queue || errors.length');
  assert.deepEqual(await page.evaluate('errors'), []);
  await page.close();
});

test('a room brings two together by the link that is shown', async () => {
  const page = await tab();
  await run(page, String(snippets('js')[1]));
  await until(page, 'invite.hash');
  const code = await page.evaluate(`invite.hash.slice('#room='.length)`);
  const other = await tab();
  await run(other, `client.joinRoom('${code}');`);
  await until(page, 'client.snapshot.session');
  assert.equal(await page.evaluate('client.snapshot.session.id'), await other.evaluate('client.snapshot.session.id'));
  for (const one of [page, other]) await one.close();
});

test('a token is asked for, and said', async () => {
  const page = await tab();
  await run(page, `globalThis.said = []; const send = WebSocket.prototype.send;
    WebSocket.prototype.send = function (text) { said.push(JSON.parse(text)); send.call(this, text); };
    ${snippets('js')[2]} client.find();`);
  await until(page, 'said.length');
  assert.deepEqual(await page.evaluate('said[0].data'), { token: 'a token' });
  await page.close();
});

test('the component calls and shows', async () => {
  const { outputFiles } = await build({
    stdin: {
      contents: `import { useEffect, useRef } from 'react'; import { createRoot } from 'react-dom/client'; ${snippets('jsx')[0]}
        const stream = await navigator.mediaDevices.getUserMedia({ audio: true, video: true });
        createRoot(document.getElementById('root')).render(<Call stream={stream} />);`,
      loader: 'jsx',
      resolveDir: PACKAGE,
    },
    bundle: true,
    format: 'esm',
    jsx: 'automatic',
    write: false,
    alias: { 'hairpin-client/react': join(PACKAGE, 'dist/react.js') },
  });
  const both = [await tab(), await tab()];
  for (const page of both) {
    await page.bringToFront();
    await page.addScriptTag({ type: 'module', content: outputFiles[0]?.text ?? '' });
    await until(page, `document.querySelector('button')`);
    await page.click('button');
  }
  for (const page of both) {
    await page.bringToFront();
    await until(page, `document.querySelector('button').textContent === 'connected' && document.querySelector('video').videoWidth > 0`);
  }
});
