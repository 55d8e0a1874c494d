import assert from 'node:assert/strict';
import { after, afterEach, before, beforeEach, test } from 'node:test';
import type { Browser, Page } from 'puppeteer-core';
import { bundled, startChromium, until } from './browser/chromium.js';

let browser: Browser;
let script: string;
let page: Page;

before(async () => {
  [browser, script] = await Promise.all([startChromium(), bundled('browser/room.ts')]);
});
after(() => browser?.close());
beforeEach(async () => {
  page = await browser.newPage();
  page.on('pageerror', (error) => console.log('page:', error));
  await page.addScriptTag({ content: script });
});
afterEach(() => page.close());

const run = (code: string): Promise<any> => page.evaluate(`(async () => { ${code} })()`);
const CONNECTED = `['ann', 'bob'].every((name) => room.clients[name].snapshot.phase === 'connected')`;

async function connect(ann = '{}', bob = '{}'): Promise<void> {
  await run(`room.join('ann', ${ann}).find(); room.join('bob', ${bob}).find();`);
  await until(page, CONNECTED);
}

/** Both see a picture that moves. */
async function seen(name: string): Promise<void> {
  const before = await run(`return frames('${name}')`);
  await until(page, `frames('${name}').then((now) => now > ${before} + 3)`);
}

test('two who look for a partner see and hear each other', async () => {
  await connect();
  await seen('ann');
  await seen('bob');
  assert.deepEqual(await run(`return room.phases.ann`), ['looking', 'pairing', 'connected']);
});

test('a track added by either side reaches the other', async () => {
  await connect(`{ kinds: '' }`, `{ kinds: '' }`);
  await run(`await room.clients.bob.setStream(synthetic('video'))`);
  await seen('ann');
  await run(`await room.clients.ann.setStream(synthetic('audio video'))`);
  await seen('bob');
});

for (const cut of ['seen', 'unseen']) {
  test(`a lost WebSocket, ${cut}, does not touch the call, and the session goes on`, async () => {
    await connect();
    const same = await run(`globalThis.pc = room.clients.ann.peerConnection; return room.clients.ann.snapshot.session.id`);
    await run(`room.networks.ann.down = true; room.networks.ann.cut('${cut}'); room.clients.ann.setCamera(false)`);
    if (cut === 'seen') await until(page, `room.clients.bob.snapshot.partner.away`);
    else await run(`document.dispatchEvent(new Event('visibilitychange'))`);
    await until(page, `room.clients.ann.snapshot.server.state === 'retrying'`);
    await seen('bob');
    await run(`room.networks.ann.down = false`);
    await until(page, `room.clients.ann.snapshot.server.state === 'open' && !room.clients.bob.snapshot.partner.away`);
    const now = await run(`return [room.clients.ann.snapshot.session.id, pc === room.clients.ann.peerConnection]`);
    assert.deepEqual(now, [same, true]);
    assert.deepEqual(await run(`return room.phases.ann`), ['looking', 'pairing', 'connected']);
    assert.equal(await run(`return room.clients.bob.snapshot.partner.camera`), false);
    await seen('bob');
  });
}

test('a server that restarts finds the call as it was', async () => {
  await connect();
  const same = await run(`return room.clients.ann.snapshot.session.id`);
  await run(`room.server.restart();
    for (const network of Object.values(room.networks)) network.cut('seen')`);
  await until(page, `room.server.state('ann') === '${same}' && room.server.state('bob') === '${same}'`);
  await until(page, `!room.clients.ann.snapshot.partner.away && !room.clients.bob.snapshot.partner.away`);
  await seen('ann');
  await seen('bob');
  assert.deepEqual(await run(`return room.phases.bob`), ['looking', 'pairing', 'connected']);
});

test('a server that restarts while the two negotiate does not leave them hanging', async () => {
  for (let delay = 0; delay < 120; delay += 15) {
    await run(`
      globalThis.pairing = (name) => new Promise((done) => room.clients[name].on('partner', done));
      const both = [room.join('ann'), room.join('bob')];
      both[0].find(); both[1].find();
      await Promise.all([pairing('ann'), pairing('bob')]);
      await new Promise((done) => setTimeout(done, ${delay}));
      room.server.restart();
      for (const network of Object.values(room.networks)) network.cut('seen');`);
    await until(page, CONNECTED);
    await until(page, `room.server.state('ann') === room.server.state('bob')`);
    await seen('ann');
    await run(`room.clients.ann.stop(); room.clients.bob.stop()`);
  }
});

test('each knows what the other has muted', async () => {
  await connect(`{}`, `{ kinds: 'audio' }`);
  await until(page, `room.clients.ann.snapshot.partner.microphone && room.clients.bob.snapshot.partner.camera`);
  assert.equal(await run(`return room.clients.ann.snapshot.partner.camera`), false, 'there is none');
  await run(`room.clients.ann.setCamera(false); room.clients.bob.setMicrophone(false)`);
  await until(page, `room.clients.bob.snapshot.partner.camera === false`);
  await until(page, `room.clients.ann.snapshot.partner.microphone === false`);
  await run(`room.clients.ann.setCamera(true)`);
  await until(page, `room.clients.bob.snapshot.partner.camera === true`);
});

test('data reaches the partner, text and bytes', async () => {
  await connect();
  await until(page, `room.clients.ann.send('hello')`);
  await run(`room.clients.ann.send(new Uint8Array([1, 2, 3]).buffer)`);
  await until(page, `room.events.bob.filter(([type]) => type === 'message').length === 2`);
  const [[, text], [, bytes]] = await run(`return room.events.bob.filter(([type]) => type === 'message')
    .map(([type, data]) => [type, typeof data === 'string' ? data : [...new Uint8Array(data)]])`);
  assert.deepEqual([text, bytes], ['hello', [1, 2, 3]]);
  await run(`room.clients.ann.stop()`);
  assert.equal(await run(`return room.clients.ann.send('gone')`), false);
});

/** The two agree on what was negotiated last. */
const AGREED = `(() => {
  const [ann, bob] = ['ann', 'bob'].map((name) => room.clients[name].peerConnection);
  const ufrag = (description) => /ice-ufrag:(.*)/.exec(description?.sdp ?? '')?.[1];
  return [ann, bob].every((pc) => pc.signalingState === 'stable' && pc.connectionState === 'connected')
    && ufrag(ann.currentLocalDescription) === ufrag(bob.currentRemoteDescription)
    && ufrag(bob.currentLocalDescription) === ufrag(ann.currentRemoteDescription);
})()`;
const UFRAG = `/ice-ufrag:(.*)/.exec(room.clients.ann.peerConnection.currentLocalDescription.sdp)[1]`;

test('when the network changes new paths are made at once, by both at once too', async () => {
  await connect();
  await until(page, AGREED);
  for (let round = 0; round < 5; round++) {
    const before = await run(`return ${UFRAG}`);
    // Both clients of the page hear it in the same moment: their offers cross.
    await run(`dispatchEvent(new Event('online'))`);
    await until(page, `${UFRAG} !== '${before}' && ${AGREED}`, 3000);
    await seen('ann');
  }
  assert.deepEqual(await run(`return room.phases.ann`), ['looking', 'pairing', 'connected']);
});

test('tracks that both add in the same moment reach both', async () => {
  for (let round = 0; round < 5; round++) {
    await connect(`{ kinds: 'audio' }`, `{ kinds: 'audio' }`);
    await until(page, AGREED);
    await run(`await Promise.all(['ann', 'bob'].map((name) => room.clients[name].setStream(synthetic('audio video'))))`);
    await seen('ann');
    await seen('bob');
    await until(page, AGREED);
    await run(`room.clients.ann.stop(); room.clients.bob.stop()`);
  }
});
