import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import type { Browser, Page } from 'puppeteer-core';
import { bundled, startChromium, until } from './browser/chromium.js';

let browser: Browser;
let script: string;

before(async () => {
  [browser, script] = await Promise.all([startChromium(), bundled('browser/react.tsx')]);
});
after(() => browser?.close());

async function application(): Promise<Page> {
  const page = await browser.newPage();
  page.on('pageerror', (error) => console.log('page:', error));
  page.on('console', (message) => message.type() === 'error' && console.log('page:', message.text()));
  await page.addScriptTag({ content: script });
  await until(page, `document.querySelector('#phase')?.textContent === 'idle'`);
  return page;
}

test('in StrictMode there is one client and one socket, and the call is shown', async () => {
  const page = await application();
  await page.click('#find');
  await until(page, `server.state('ann') === 'waiting'`);
  await page.evaluate(`bob.find()`);
  await until(page, `document.querySelector('#phase').textContent === 'connected'`);
  await until(page, `document.querySelector('#remote').videoWidth === 64`);
  assert.equal(await page.evaluate(`clients.size`), 1);
  assert.equal(await page.evaluate(`network.sockets.length`), 2, "ann's and bob's");
});

test('another stream is sent to the partner in the same call', async () => {
  const page = await application();
  await page.evaluate(`bob.find()`);
  await page.click('#find');
  await until(page, `document.querySelector('#phase').textContent === 'connected'`);
  await page.evaluate(`setStream(camera())`);
  await until(page, `bob.stats().then((stats) => stats?.video.framesDecoded > 3)`);
  assert.equal(await page.evaluate(`clients.size`), 1);
});

test('who leaves the screen leaves the call, and comes back with a client of its own', async () => {
  const page = await application();
  await page.click('#find');
  await until(page, `server.state('ann') === 'waiting'`);
  await page.evaluate(`show(false)`);
  await until(page, `server.state('ann') === 'none'`);
  await page.evaluate(`show(true)`);
  await until(page, `document.querySelector('#phase')?.textContent === 'idle'`);
  await page.click('#find');
  await until(page, `server.state('ann') === 'waiting'`);
  assert.equal(await page.evaluate(`clients.size`), 2);
  await page.evaluate(`unmount()`);
  await until(page, `server.state('ann') === 'none'`);
});
