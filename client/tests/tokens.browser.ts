// Who somebody is by the word of a token, against the real server.
import assert from 'node:assert/strict';
import { createHmac } from 'node:crypto';
import http from 'node:http';
import type { AddressInfo } from 'node:net';
import { after, before, test } from 'node:test';
import type { Browser, Page } from 'puppeteer-core';
import { bundled, startBrowser, until } from './browser/launch.js';
import { Hairpin } from './browser/server.js';

const SECRET = 'what the tokens of the tests are signed with';

let browser: Browser;
let script: string;
const hairpin = new Hairpin();
/** How long the application's next tokens are good, in seconds. */
let lasts = 600;
let given = 0;
/** The application's own server, which gives a token to whoever asks: `/token?user`. */
const site = http.createServer(({ url = '' }, response) => {
  response.setHeader('content-type', 'text/html');
  const user = /^\/token\?(.+)/.exec(url)?.[1];
  if (!user) return response.end('<!doctype html><title>room</title>');
  given += 1;
  return response.end(token({ sub: user, exp: Math.floor(Date.now() / 1000) + lasts }));
});

function token(claims: object): string {
  const part = (value: object): string => Buffer.from(JSON.stringify(value)).toString('base64url');
  const signed = `${part({ alg: 'HS256', typ: 'JWT' })}.${part(claims)}`;
  return `${signed}.${createHmac('sha256', SECRET).update(signed).digest('base64url')}`;
}

before(async () => {
  [browser, script] = await Promise.all([startBrowser(), bundled('browser/room.ts')]);
  await new Promise<void>((listening) => site.listen(0, '127.0.0.1', listening));
  await hairpin.start('--jwt-secret', SECRET, '--jwt-leeway', '0');
});
after(async () => {
  await browser?.close();
  await hairpin.kill();
  site.close();
  site.closeAllConnections();
});

async function tab(name: string, options: string): Promise<Page> {
  const page = await browser.newPage();
  page.on('pageerror', (error) => console.log('page:', error));
  await page.goto(`http://127.0.0.1:${(site.address() as AddressInfo).port}/`);
  await page.addScriptTag({ content: script });
  await page.evaluate(`room.join('${name}', { url: 'http://127.0.0.1:${hairpin.port}/', ${options} }).find()`);
  return page;
}

const ask = (user: string): string => `token: async () => (await fetch('/token?${user}')).text()`;

test('two meet under the names that their tokens say', async () => {
  const [ann, bob] = [await tab('ann', ask('user-1')), await tab('bob', ask('user-2'))];
  await until(ann, `room.clients.ann.snapshot.phase === 'connected'`);
  await until(bob, `room.clients.bob.snapshot.phase === 'connected'`);
  assert.equal(await ann.evaluate('room.clients.ann.snapshot.session.partnerId'), 'user-2');
  assert.equal(await bob.evaluate('room.clients.bob.snapshot.session.partnerId'), 'user-1');
  for (const page of [ann, bob]) await page.close();
});

test('a token that runs out is renewed, and nobody notices', async () => {
  // Less than the minute before which the server says so: it says so at once.
  lasts = 5;
  given = 0;
  const page = await tab('ann', ask('user-3'));
  await until(page, 'room.clients.ann.snapshot.queue !== null');
  lasts = 600;
  // Longer than the first one lasts.
  await until(page, `new Promise((later) => setTimeout(() => later(true), 6000))`);
  assert.equal(given, 2);
  assert.deepEqual(await page.evaluate('[room.clients.ann.snapshot.server, room.events.ann]'), [{ state: 'open' }, []]);
  await page.close();
});

test('without a token, and with one that has run out for good, the page is told what helps', async () => {
  for (const [options, code] of [
    ['', 'token_missing'],
    [`token: '${token({ sub: 'user-4', exp: 1 })}'`, 'token_expired'],
    [`token: '${token({ sub: 'user-4', exp: 9e9 })}', userId: 'somebody else'`, 'wrong_user'],
  ]) {
    const page = await tab('ann', String(options));
    await until(page, `room.clients.ann.snapshot.server.state === 'refused'`);
    assert.equal(await page.evaluate('room.clients.ann.snapshot.server.code'), code);
    assert.deepEqual(await page.evaluate('room.events.ann.map(([type, { remedy }]) => [type, remedy])'), [['error', 'sign_in']]);
    await page.close();
  }
});
