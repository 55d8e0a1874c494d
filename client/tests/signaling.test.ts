import assert from 'node:assert/strict';
import { afterEach, beforeEach, test } from 'node:test';
import { Signaling } from '../src/signaling/signaling.js';
import type { SeatMessage } from '../src/wire.js';
import type { ServerLink } from '../src/types.js';
import { Clock } from './fake/clock.js';
import { FakeHairpin } from './fake/hairpin.js';
import { Network } from './fake/wire.js';
import type { Cut } from './fake/wire.js';

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
    this.signaling = new Signaling(new URL('ws://server/ws'), user, null, network.webSocket, {
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
