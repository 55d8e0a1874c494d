import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, test } from 'node:test';
import { HairpinClient } from '../src/hairpin-client.js';
import { Signaling } from '../src/signaling/signaling.js';
import { Tokens } from '../src/tokens.js';
import type { SeatMessage } from '../src/wire.js';
import { Clock } from './fake/clock.js';
import { FakePeer, FakeStream } from './fake/peer.js';
import { wrong } from './fake/schema.js';
import { Network } from './fake/wire.js';
import type { Connection, Server } from './fake/wire.js';

/** The folder of the package. */
declare const PACKAGE: string;

function document(name: string): any {
  return JSON.parse(readFileSync(join(PACKAGE, '../docs/protocol', name), 'utf8'));
}

const client: Record<string, any> = document('golden/client.json');
const server: Record<string, any> = document('golden/server.json');
const refused: Record<string, { says: unknown; hears: object }> = document('golden/wrong.json');
const conversations: Record<string, any[]> = document('golden/conversations.json');

/** About the connection: the client's own business. */
const CONNECTION = ['welcome', 'restart', 'pong', 'ack', 'goaway', 'match_offer'];

let clock: Clock;
beforeEach(() => {
  clock = new Clock().install();
  FakePeer.all = [];
  Object.assign(globalThis, { MediaStream: FakeStream });
});
afterEach(() => clock.uninstall());

/** Says what it is told to say once somebody has said hello. */
class Script implements Server {
  connection: Connection | null = null;
  constructor(readonly lines: object[]) {}

  opened(): void {}
  closed(): void {}

  received(connection: Connection, message: { type: string }): void {
    if (message.type !== 'hello' || this.connection) return;
    this.connection = connection;
    for (const line of [server['welcome: minimal'], ...this.lines]) connection.send(line);
  }
}

/** What a client's seat is told, of all that a server says. */
async function heard(lines: object[]): Promise<SeatMessage[]> {
  const messages: SeatMessage[] = [];
  const nothing = (): void => {};
  const handlers = { message: (message: SeatMessage) => messages.push(message), link: nothing, seat: nothing, moved: nothing };
  const { webSocket } = new Network(new Script(lines));
  const options = { url: new URL('ws://server/ws'), userId: 'ann', tokens: new Tokens(undefined), seat: null, webSocket };
  const signaling = new Signaling(options, { ...handlers, restarted: nothing, settled: nothing, tokenless: nothing });
  signaling.connect();
  await clock.advance(200);
  signaling.close();
  return messages;
}

test('golden messages are valid, and wrong ones are not, by a validator that is none of ours', () => {
  for (const [name, message] of Object.entries(client)) assert.equal(wrong('client', message), null, name);
  for (const [name, message] of Object.entries(server)) assert.equal(wrong('server', message), null, name);
  for (const [name, { says, hears }] of Object.entries(refused)) {
    assert.equal(wrong('server', hears), null, name);
    // Text stands for itself: some of it is no JSON.
    if (typeof says === 'object') assert.notEqual(wrong('client', says), null, name);
  }
});

test('the client hears every message of the server as it is', async () => {
  for (const [name, message] of Object.entries(server)) {
    if (CONNECTION.includes(message.type)) continue;
    const { seq, ...rest } = message;
    assert.deepEqual(await heard([rest]), [rest], name);
  }
});

test('no message of the server troubles a client, whatever it is at', async () => {
  for (const first of ['queued: full', 'match_found: full', 'rejoined: full', 'welcome: full']) {
    for (const [name, { seq, ...message }] of Object.entries(server)) {
      const { webSocket } = new Network(new Script([server[first], message]));
      const peerConnection = FakePeer as unknown as typeof RTCPeerConnection;
      const options = { url: 'http://server/', webSocket, peerConnection, userId: 'ann', storage: null };
      const person = new HairpinClient(options);
      person.find();
      await clock.advance(200).catch((error) => assert.fail(`${name} after ${first}: ${error.stack}`));
      person.stop();
    }
  }
});

test('what is heard in golden conversations is valid, and heard in order', async () => {
  const named = (text: string): string => text.replace(/<sessionId (\d+)>/g, (_, number) => number.padStart(32, '0'));
  for (const [title, steps] of Object.entries<any[]>(JSON.parse(named(JSON.stringify(conversations))))) {
    for (const { says, hears, what } of steps) {
      if (says) assert.equal(wrong('client', what), null, `${title}: ${says}`);
      if (hears) assert.equal(wrong('server', what), null, `${title}: ${hears}`);
    }
    const told = steps.filter(({ hears }) => hears === 'bob').map(({ what: { seq, ...rest } }) => rest);
    const seat = told.filter(({ type }) => !CONNECTION.includes(type));
    const lines = told.filter(({ type }) => type !== 'welcome' && type !== 'goaway');
    assert.deepEqual(await heard(lines), seat, title);
  }
});
