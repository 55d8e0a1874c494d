import assert from 'node:assert/strict';
import { afterEach, beforeEach, test } from 'node:test';
import { backoff } from '../src/signaling/backoff.js';
import { Outbox } from '../src/signaling/outbox.js';
import { Signaling } from '../src/signaling/signaling.js';
import { Tokens } from '../src/tokens.js';
import type { SeatMessage } from '../src/wire.js';
import type { ServerLink } from '../src/types.js';
import { Clock } from './fake/clock.js';
import { FakeHairpin } from './fake/hairpin.js';
import { Network } from './fake/wire.js';
import type { Cut } from './fake/wire.js';

/** In the place of the window. */
const on = new EventTarget();
let clock: Clock;
beforeEach(() => {
  clock = new Clock().install();
});
afterEach(() => clock.uninstall());

/** A person at the wire: joins when it may, and writes down what it hears. */
class Person {
  readonly signaling: Signaling;
  readonly heard: SeatMessage[] = [];
  readonly links: ServerLink[] = [];
  restarts = 0;
  session: string | null = null;

  constructor(user: string, network: Network) {
    const seat = { url: new URL('ws://server/ws'), userId: user, tokens: new Tokens(undefined), seat: null };
    this.signaling = new Signaling({ ...seat, webSocket: network.webSocket }, {
      link: (link) => this.links.push(link),
      message: (message) => {
        this.heard.push(message);
        if (message.type === 'match_found') this.session = message.payload.sessionId;
      },
      restarted: () => {
        this.restarts += 1;
      },
      settled: () => {
        if (!this.session) this.signaling.send({ type: 'join_queue', data: {} });
      },
      tokenless: () => {},
      seat: () => {},
      moved: () => {},
    });
    this.signaling.connect();
  }

  signal(signal: unknown): void {
    this.signaling.send({ type: 'signal', data: { sessionId: this.session as string, signal } });
  }

  get signals(): unknown[] {
    return this.heard.flatMap((message) => (message.type === 'signal' ? [message.payload.signal] : []));
  }

  get link(): string {
    return this.links.at(-1)?.state ?? 'none';
  }
}

const COUNT = 12;

/** Two people meet and signal to each other; returns how many frames that took. */
async function conversation(cutAt: { frame: number; cut: Cut } | null): Promise<number> {
  const server = new FakeHairpin();
  const network = new Network(server);
  network.cutAt = cutAt;
  const ann = new Person('ann', network);
  const bob = new Person('bob', network);
  await clock.until(() => ann.session !== null && bob.session !== null, 'both are matched');
  for (let number = 1; number <= COUNT; number++) {
    ann.signal({ number });
    bob.signal({ number });
    await clock.advance(7);
  }
  await clock.until(() => ann.signals.length >= COUNT && bob.signals.length >= COUNT, 'all signals have arrived');
  const frames = network.frames;
  await clock.advance(60_000);
  const wanted = Array.from({ length: COUNT }, (_, index) => ({ number: index + 1 }));
  assert.deepEqual(ann.signals, wanted, 'each once, in order');
  assert.deepEqual(bob.signals, wanted, 'each once, in order');
  assert.equal(ann.heard.filter(({ type }) => type === 'match_found').length, 1);
  assert.equal(server.state('ann'), ann.session, 'the session is the same as at the beginning');
  ann.signaling.close();
  bob.signaling.close();
  return frames;
}

for (const cut of ['seen', 'unseen'] as const) {
  test(`a connection cut at any message, ${cut}, loses nothing and repeats nothing`, async () => {
    const frames = await conversation(null);
    assert.ok(frames > 60, `${frames} frames`);
    for (let frame = 1; frame <= frames; frame++) {
      await conversation({ frame, cut }).catch((error: unknown) => {
        throw new Error(`cut at frame ${frame}`, { cause: error });
      });
    }
  });
}

test('a message that comes twice is handled once, and after a gap the rest is asked for', async () => {
  const server = new FakeHairpin();
  const network = new Network(server);
  const ann = new Person('ann', network);
  await clock.until(() => ann.heard.length === 1, 'queued');
  server.repeat('ann');
  await clock.advance(100);
  assert.equal(ann.heard.length, 1);
  server.lose('ann');
  server.push('ann', 'error', { code: 'no_session', message: 'third', temporary: false });
  await clock.until(() => ann.heard.length === 3, 'both are there');
  assert.equal(network.sockets.length, 2);
  assert.deepEqual(ann.heard.map(({ type }) => type), ['queued', 'error', 'error']);
  assert.deepEqual((ann.heard[1]?.payload as { message: string }).message, 'second');
});

test('what was acknowledged is not said again, and the rest in order', () => {
  const outbox = new Outbox();
  for (const sessionId of ['a', 'b', 'c']) outbox.add({ type: 'skip', data: { sessionId } });
  outbox.acknowledge(2);
  assert.deepEqual(outbox.waiting, [{ type: 'skip', data: { sessionId: 'c' }, id: 3 }]);
  outbox.restart();
  assert.deepEqual(outbox.waiting, []);
  assert.equal(outbox.add({ type: 'leave_queue', data: {} }).id, 1);
});

test('a server out of reach is tried again with full jitter, more and more slowly, and at once when the network is back', async () => {
  const network = new Network(new FakeHairpin());
  network.down = true;
  Object.assign(globalThis, { document: new EventTarget(), addEventListener: on.addEventListener.bind(on) });
  const ann = new Person('ann', network);
  await clock.advance(300_000);
  const delays = ann.links.flatMap((link) => (link.state === 'retrying' ? [link] : []));
  assert.ok(delays.length > 15 && delays.length < 25, `${delays.length} tries in five minutes`);
  network.down = false;
  const tries = network.sockets.length;
  on.dispatchEvent(new Event('online'));
  await clock.advance(15);
  assert.deepEqual([network.sockets.length, ann.link], [tries + 1, 'connecting']);
  await clock.advance(100);
  assert.equal(ann.link, 'open');
  Object.assign(globalThis, { document: undefined, addEventListener: undefined });

  Math.random = () => 0.5;
  assert.deepEqual([0, 1, 2, 9].map((attempt) => backoff(attempt, 20_000)), [250, 500, 1000, 10_000]);
});
