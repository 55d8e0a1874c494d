// Against the real server.
import assert from 'node:assert/strict';
import { after, afterEach, before, beforeEach, test } from 'node:test';
import type { Browser, Page } from 'puppeteer-core';
import { bundled, startBrowser, until } from './browser/launch.js';
import { Door, Hairpin } from './browser/server.js';

let browser: Browser;
let script: string;
let hairpin: Hairpin;
let door: Door;
let pages: Page[];

before(async () => {
  [browser, script] = await Promise.all([startBrowser(), bundled('browser/room.ts')]);
});
after(() => browser?.close());
beforeEach(async () => {
  pages = [];
  hairpin = new Hairpin();
  await hairpin.start();
  door = new Door(() => hairpin.port);
  await door.open();
});
afterEach(async () => {
  for (const page of pages) await page.close();
  door.close();
  await hairpin.kill();
});

const run = (page: Page, code: string): Promise<any> => page.evaluate(`(async () => { ${code} })()`);

/** A page of a tab of its own. */
async function tab(): Promise<Page> {
  const page = await browser.newPage();
  pages.push(page);
  page.on('pageerror', (error) => console.log('page:', error));
  await page.goto(door.url);
  await page.addScriptTag({ content: script });
  return page;
}

const phase = (name: string, phase: string): string => `room.clients.${name}.snapshot.phase === '${phase}'`;
const session = (page: Page, name: string): Promise<string> => run(page, `return room.clients.${name}.snapshot.session.id`);

async function find(page: Page, name: string): Promise<void> {
  await run(page, `room.join('${name}', { url: '/${name}/' }).find()`);
}

/** Ann and Bob, each in a tab. */
async function call(): Promise<[Page, Page]> {
  const [ann, bob] = [await tab(), await tab()];
  await find(ann, 'ann');
  await until(ann, `room.clients.ann.snapshot.queue?.position === 1`);
  await find(bob, 'bob');
  await until(ann, phase('ann', 'connected'));
  await until(bob, phase('bob', 'connected'));
  return [ann, bob];
}

async function seen(page: Page, name: string): Promise<void> {
  const before = await run(page, `return frames('${name}')`);
  await until(page, `frames('${name}').then((now) => now > ${before} + 3)`);
}

/** Resolves when the server tells a page this. */
async function told(page: Page, type: string): Promise<void> {
  const devtools = await page.createCDPSession();
  await devtools.send('Network.enable');
  return await new Promise((resolve) => {
    devtools.on('Network.webSocketFrameReceived', ({ response }) => {
      if (response.payloadData.includes(`"${type}"`)) resolve();
    });
  });
}

test('two who look for a partner see each other', async () => {
  const [ann, bob] = await call();
  await seen(ann, 'ann');
  await seen(bob, 'bob');
});

for (const how of ['seen', 'unseen'] as const) {
  test(`a WebSocket cut ${how} is opened again, and the session goes on`, async () => {
    const [ann, bob] = await call();
    const same = await session(ann, 'ann');
    door.cut('ann', how);
    // A page that comes into view asks whether its connection lives.
    await ann.bringToFront();
    await until(ann, `room.clients.ann.snapshot.server.state === 'retrying'`);
    await run(ann, `room.clients.ann.setMicrophone(false)`);
    await until(bob, `room.clients.bob.snapshot.partner.microphone === false`);
    door.mend('ann');
    await until(ann, `room.clients.ann.snapshot.server.state === 'open'`);
    await until(bob, `!room.clients.bob.snapshot.partner.away`);
    await seen(bob, 'bob');
    assert.equal(await session(ann, 'ann'), same);
    assert.deepEqual(await run(bob, `return room.phases.bob`), ['looking', 'pairing', 'connected']);
    // It is the server's session still, not only a call that happens to go on.
    await run(ann, `room.clients.ann.next()`);
    await until(bob, `room.events.bob.some(([type, detail]) => type === 'left' && detail.reason === 'skipped')`);
  });
}

test('a call whose session had ended at the server goes on, and is put together again', async () => {
  await hairpin.kill();
  await hairpin.start('--resume-window', '1');
  const [ann, bob] = await call();
  const expired = told(bob, 'partner_left');
  door.cut('ann', 'seen');
  await expired;
  door.mend('ann');
  await until(ann, `room.clients.ann.snapshot.server.state === 'open'`);
  await seen(ann, 'ann');
  await seen(bob, 'bob');
  assert.deepEqual(await run(ann, `return room.phases.ann`), ['looking', 'pairing', 'connected']);
  await run(bob, `room.clients.bob.stop()`);
  const time = await until(ann, `room.clients.ann.snapshot.queue !== null`);
  assert.ok(time < 5000, `${time} ms`);
  assert.deepEqual(await run(ann, `return room.events.ann.at(-1)`), ['left', { reason: 'ended' }]);
});

test('a server that is killed and started again finds the call as it was', async () => {
  const [ann, bob] = await call();
  const same = await session(ann, 'ann');
  await hairpin.kill();
  await until(ann, `room.clients.ann.snapshot.server.state === 'retrying'`);
  await seen(ann, 'ann');
  await hairpin.start();
  await until(ann, `room.clients.ann.snapshot.server.state === 'open' && !room.clients.ann.snapshot.partner.away`);
  await until(bob, `room.clients.bob.snapshot.server.state === 'open' && !room.clients.bob.snapshot.partner.away`);
  await seen(bob, 'bob');
  assert.equal(await session(bob, 'bob'), same);
  assert.deepEqual(await run(ann, `return room.phases.ann`), ['looking', 'pairing', 'connected']);
  await run(bob, `room.clients.bob.next()`);
  await until(ann, `room.events.ann.some(([type, detail]) => type === 'left' && detail.reason === 'skipped')`);
});

test('a page that is reloaded comes back to the same partner', async () => {
  const [ann, bob] = await call();
  const same = await session(ann, 'ann');
  await ann.reload();
  await ann.addScriptTag({ content: script });
  assert.equal(await run(ann, `return room.join('ann', { url: '/ann/' }).resume()`), true);
  await until(ann, phase('ann', 'connected'));
  await seen(ann, 'ann');
  await seen(bob, 'bob');
  assert.equal(await session(ann, 'ann'), same);
  assert.equal(await session(bob, 'bob'), same);
});

test('both press Next at once, and both have a partner again', async () => {
  const [ann, bob] = await call();
  const before = await session(ann, 'ann');
  await Promise.all([run(ann, `room.clients.ann.next()`), run(bob, `room.clients.bob.next()`)]);
  await until(ann, `${phase('ann', 'connected')} && room.clients.ann.snapshot.session.id !== '${before}'`);
  await until(bob, phase('bob', 'connected'));
  assert.equal(await session(ann, 'ann'), await session(bob, 'bob'));
  await seen(ann, 'ann');
});

test('a tab that was duplicated takes over, and the first one stops without a word', async () => {
  const [ann, bob] = await call();
  const same = await session(ann, 'ann');
  const kept = await run(ann, `return JSON.stringify(sessionStorage)`);
  const other = await tab();
  await run(other, `Object.assign(sessionStorage, ${kept}); room.join('ann', { url: '/ann/' }).resume()`);
  await until(other, phase('ann', 'connected'));
  await until(ann, phase('ann', 'idle'));
  assert.deepEqual(await run(ann, `return room.clients.ann.snapshot.server`), { state: 'refused', code: 'replaced' });
  assert.equal(await session(other, 'ann'), same);
  await seen(bob, 'bob');
  const first = await run(ann, `return [room.clients.ann.userId, room.events.ann.filter(([type]) => type !== 'partner')]`);
  assert.notEqual(first[0], await run(other, `return room.clients.ann.userId`));
  assert.deepEqual(first[1], []);
});

test('who waits knows within ten seconds that it is cut off, and keeps its place', async () => {
  const ann = await tab();
  await find(ann, 'ann');
  await until(ann, `room.clients.ann.snapshot.queue !== null`);
  door.cut('ann', 'unseen');
  const time = await until(ann, `room.clients.ann.snapshot.server.state === 'retrying'`, 10_000);
  console.log(`known after ${time} ms`);
  door.mend('ann');
  await until(ann, `room.clients.ann.snapshot.server.state === 'open'`);
  const bob = await tab();
  await find(bob, 'bob');
  await until(ann, phase('ann', 'connected'));
});

for (const shape of ['nested', 'typed', 'flat']) {
  for (const first of ['ours', 'theirs']) {
    test(`a partner of the old wire, signals ${shape}, ${first} is the initiator`, async () => {
      const page = await tab();
      const old = `globalThis.old = new OldClient('/old/ws', 'old', '${shape}');`;
      const ours = `room.join('ann', { url: '/ann/' }).find();`;
      await run(page, first === 'ours' ? ours : old);
      if (first === 'ours') await until(page, `room.clients.ann.snapshot.queue !== null`);
      else await until(page, `old.waits`);
      await run(page, first === 'ours' ? old : ours);
      await until(page, phase('ann', 'connected'));
      assert.equal(await run(page, `return room.clients.ann.snapshot.session.isInitiator`), first === 'ours');
      await seen(page, 'ann');
      await until(page, `old.framesDecoded().then((frames) => frames > 3)`);
      assert.deepEqual(await run(page, `return [old.odd, room.clients.ann.snapshot.partner.microphone]`), [[], null]);
      await run(page, `old.skip()`);
      await until(page, `room.events.ann.some(([type, detail]) => type === 'left' && detail.reason === 'skipped')`);
      await until(page, `old.sessions === 2 && ${phase('ann', 'connected')}`);
    });
  }
}

test('a call changes over to relayed paths, and back', async () => {
  const [ann, bob] = await call();
  const same = await session(ann, 'ann');
  const path = (path: string): string => `room.clients.ann.stats().then((stats) => stats?.path === '${path}')`;
  await until(ann, path('direct'));
  await run(ann, `room.clients.ann.relayOnly = true`);
  await until(ann, path('relayed'));
  await seen(bob, 'bob');
  await run(ann, `room.clients.ann.relayOnly = false`);
  await until(ann, path('direct'));
  await seen(ann, 'ann');
  assert.equal(await session(ann, 'ann'), same);
});

test('another camera, the screen and the camera again reach the partner without negotiating', async () => {
  const [ann, bob] = await call();
  await ann.bringToFront();
  const partner = `room.clients.bob.snapshot.partner`;
  const width = (test: string): string => `room.clients.bob.stats().then((stats) => stats && stats.video.width ${test})`;
  const offers = await run(ann, `globalThis.offers = 0;
    room.clients.ann.peerConnection.addEventListener('negotiationneeded', () => { offers += 1; });
    const devices = await navigator.mediaDevices.enumerateDevices();
    await room.clients.ann.useDevice('videoinput', devices.find(({ kind }) => kind === 'videoinput').deviceId);`);
  await until(bob, width('> 160'));
  await run(ann, `await room.clients.ann.shareScreen()`);
  await until(bob, `${partner}.screen`);
  assert.equal(await run(ann, `return room.clients.ann.snapshot.local.screen`), true);
  await run(ann, `await room.clients.ann.stopScreen()`);
  await until(bob, `!${partner}.screen`);
  await seen(bob, 'bob');
  assert.equal(await run(ann, `return offers`), 0, offers);
});
