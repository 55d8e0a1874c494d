import assert from 'node:assert/strict';
import { afterEach, beforeEach, test } from 'node:test';
import type { HairpinClient, Options } from '../src/hairpin-client.js';
import type { Clock } from './fake/clock.js';
import type { FakeHairpin } from './fake/hairpin.js';
import { Party, peer } from './fake/party.js';
import { FakePeer } from './fake/peer.js';
import type { Network } from './fake/wire.js';

let party: Party;
let clock: Clock;
let server: FakeHairpin;
let events: string[];

beforeEach(() => {
  party = new Party();
  ({ clock, server, events } = party);
});
afterEach(() => party.end());

const person = (name: string, options?: Options): HairpinClient => party.person(name, options);
const network = (name: string): Network => party.network(name);
const said = (name: string, type: string): any[] => party.said(name, type);
const pair = (): Promise<[HairpinClient, HairpinClient]> => party.pair();
const call = (): Promise<[HairpinClient, HairpinClient]> => party.call();

test('making a client does nothing at all', async () => {
  const written: string[] = [];
  const storage = { getItem: () => null, setItem: (key: string) => written.push(key), removeItem: () => {} };
  const client = person('ann', { storage });
  await clock.advance(60_000);
  assert.equal(network('ann').sockets.length, 0);
  assert.deepEqual(written, []);
  assert.equal(client.resume(), false);
  assert.equal(client.snapshot.server.state, 'closed');
});

test('a place in the queue and a connection are told when they are there, not before', async () => {
  const ann = person('ann');
  const seen: string[] = [];
  const snapshots = new Set<object>();
  ann.on('change', (snapshot) => {
    snapshots.add(snapshot);
    seen.push(`${snapshot.phase} ${snapshot.server.state} ${snapshot.queue?.position ?? '-'}`);
  });
  ann.find();
  await clock.advance(100);
  person('bob').find();
  await clock.advance(100);
  assert.equal(ann.snapshot.session?.connectedAt, null);
  peer(ann).become('connecting');
  peer(ann).become('connected');
  assert.equal(ann.snapshot.session?.connectedAt, clock.now);
  peer(ann).become('disconnected');
  assert.deepEqual(seen, [
    'looking connecting -',
    'looking open -',
    'looking open 1',
    'pairing open -',
    'connected open -',
    'interrupted open -',
  ]);
  assert.equal(snapshots.size, seen.length, 'each change is an object of its own');
});

test('a partner who moves on is told, and the next one is asked for', async () => {
  const [ann, bob] = await call();
  bob.next();
  await clock.until(() => ann.snapshot.phase === 'pairing', 'a partner again');
  assert.deepEqual(events.filter((event) => event.startsWith('ann left')), ['ann left {"reason":"skipped"}']);
  assert.equal(ann.snapshot.session?.id, 'session-2');
});

test('without a server a call that works goes on, and the time of the next try is told', async () => {
  const [ann] = await call();
  network('ann').down = true;
  network('ann').cut('seen');
  await clock.until(() => ann.snapshot.server.state === 'retrying', 'it is noticed');
  const { server: link } = ann.snapshot;
  assert.ok(link.state === 'retrying' && link.retryAt > clock.now && link.retryAt <= clock.now + 500);
  await clock.advance(600_000);
  assert.equal(ann.snapshot.phase, 'connected');
  assert.equal(FakePeer.all.length, 2);
});

test('a socket that swallows what is sent is given up 3 s after a ping', async () => {
  const [ann] = await call();
  const sockets = network('ann').sockets.length;
  network('ann').cut('unseen');
  peer(ann).become('disconnected');
  const time = await clock.until(() => network('ann').sockets.length > sockets, 'another is opened');
  assert.ok(time <= 3010, `${time} ms`);
  await clock.advance(100);
  assert.equal(ann.snapshot.server.state, 'open');
  assert.equal(said('ann', 'hello').at(-1).data.resume.epoch, 'epoch-1');
});

test('silence of the partner makes the client ask whether the server is there', async () => {
  const [ann] = await call();
  await clock.advance(15_000);
  const sockets = network('ann').sockets.length;
  network('ann').cut('unseen');
  peer(ann).silent = true;
  const time = await clock.until(() => network('ann').sockets.length > sockets, 'another is opened');
  assert.ok(time <= 6100, `${time} ms`);
  await clock.until(() => peer(ann).restarts > 0, 'new paths are looked for', 200);
});

test('a session of which the server knows nothing more lasts as long as its media', async () => {
  const [ann, bob] = await call();
  bob.stop();
  // Nobody tells ann: the server forgets everything, and what would put the two together again is not accepted.
  await clock.advance(5);
  server.restart();
  network('ann').cut('seen');
  Object.assign(server, { received: hideTokens(server) });
  await clock.until(() => ann.snapshot.server.state === 'open', 'it is back');
  await clock.advance(5000);
  assert.equal(ann.snapshot.phase, 'connected');
  peer(ann).become('disconnected');
  const time = await clock.until(() => ann.snapshot.queue !== null, 'it looks for another');
  assert.ok(time >= 10_000 && time < 10_200, `${time} ms`);
  assert.ok(events.includes('ann left {"reason":"disconnected"}'));
});

function hideTokens(server: FakeHairpin): FakeHairpin['received'] {
  const received = server.received.bind(server);
  return (connection, message) => {
    if (message.type === 'hello') delete message.data.pairToken;
    received(connection, message);
  };
}

test('a partner whose connection was lost for good is talked to as long as media flows', async () => {
  const [ann] = await call();
  server.push('ann', 'partner_left', { sessionId: 'session-1', reason: 'disconnected' });
  await clock.advance(100);
  assert.equal(ann.snapshot.phase, 'connected');
  assert.equal(ann.snapshot.partner?.away, true);
  ann.next();
  await clock.until(() => ann.snapshot.queue !== null, 'asked for by joining: there is nothing to skip');
  assert.equal(said('ann', 'skip').length, 0);
});

test('Next without a connection to the server is said when there is one, once', async () => {
  const [ann] = await call();
  network('ann').down = true;
  network('ann').cut('seen');
  await clock.advance(1000);
  ann.next();
  assert.equal(ann.snapshot.phase, 'looking');
  network('ann').down = false;
  await clock.until(() => ann.snapshot.phase === 'pairing', 'the next partner');
  assert.equal(said('ann', 'skip').length, 1);
  assert.equal(said('ann', 'join_queue').length, 1);
});

test('a session that was left is left again when a server that begins anew brings it back', async () => {
  const [ann] = await call();
  network('ann').down = true;
  network('ann').cut('seen');
  await clock.advance(1000);
  ann.next();
  // The skip is lost with the numbers: the server has our seat, but cannot tell what we missed.
  for (let count = 0; count < 3; count++) server.push('ann', 'noise', {});
  Object.assign(server, { received: forgetPosition(server) });
  network('ann').down = false;
  await clock.until(() => ann.snapshot.phase === 'pairing', 'the next partner');
  const partners = events.filter((event) => event.startsWith('ann partner')).map((event) => /session-\d/.exec(event)?.[0]);
  assert.deepEqual(partners, ['session-1', 'session-2']);
});

function forgetPosition(server: FakeHairpin): FakeHairpin['received'] {
  const received = server.received.bind(server);
  return (connection, message) => {
    if (message.type === 'hello') delete message.data.resume?.received;
    received(connection, message);
  };
}

test('nobody came: idle, with a goodbye', async () => {
  const ann = person('ann');
  ann.find();
  await clock.advance(100);
  server.push('ann', 'queue_timeout', {});
  await clock.advance(100);
  assert.deepEqual(events, ['ann timeout {"reason":"nobody","searching":false}']);
  assert.equal(ann.snapshot.phase, 'idle');
  assert.equal(ann.snapshot.server.state, 'closed');
  assert.equal(server.state('ann'), 'none', 'the seat ended at once');
  ann.find();
  await clock.until(() => ann.snapshot.queue !== null, 'it may be tried again');
});

test('too often: asked again when the server will grant it', async () => {
  const [ann] = await call();
  const error = { code: 'too_often', message: 'slow down', temporary: true, retryAfterMs: 2000 };
  server.refusal = { type: 'skip', error };
  ann.next();
  await clock.advance(1999);
  assert.equal(said('ann', 'skip').length, 1);
  await clock.advance(1100);
  assert.equal(said('ann', 'skip').length, 2);
  assert.equal(ann.snapshot.session?.id, 'session-2');
  assert.ok(events.some((event) => event.startsWith('ann error {"code":"too_often","remedy":"wait","temporary":true')));
});

test('stop hangs up, says so, and takes its seat with it', async () => {
  const [ann, bob] = await call();
  const pc = peer(ann);
  ann.stop();
  assert.equal(pc.connectionState, 'closed');
  assert.equal(ann.snapshot.phase, 'idle');
  await clock.until(() => bob.snapshot.queue !== null, 'bob looks on');
  assert.ok(events.includes('bob left {"reason":"ended"}'));
  assert.equal(server.state('ann'), 'none');
  const sockets = network('ann').sockets.length;
  await clock.advance(120_000);
  assert.equal(network('ann').sockets.length, sockets, 'it stays away');
});

test('replaced by another tab: quiet, and somebody else when asked to go on', async () => {
  const storage = { getItem: () => JSON.stringify({ userId: 'kept' }), setItem: () => {}, removeItem: () => {} };
  const ann = person('ann', { storage });
  assert.equal(ann.userId, 'kept');
  ann.find();
  await clock.advance(100);
  server.close('kept', 4500);
  await clock.advance(60_000);
  assert.deepEqual(ann.snapshot.server, { state: 'refused', code: 'replaced' });
  assert.equal(ann.snapshot.phase, 'idle');
  assert.deepEqual(events, []);
  assert.equal(network('ann').sockets.length, 1);
  ann.find();
  await clock.until(() => ann.snapshot.queue !== null, 'asked to go on');
  assert.notEqual(ann.userId, 'kept');
});

test('a server that is about to stop is left when it says so, and the call goes on at the next', async () => {
  const [ann] = await call();
  const sockets = network('ann').sockets.length;
  server.push('ann', 'noise', {});
  await clock.advance(100);
  Object.assign(server, { epoch: 'epoch-2' });
  server.goaway('ann', 700);
  await clock.advance(690);
  assert.equal(network('ann').sockets.length, sockets);
  await clock.advance(200);
  assert.equal(network('ann').sockets.length, sockets + 1);
  assert.equal(ann.snapshot.phase, 'connected');
  assert.ok(said('ann', 'hello').at(-1).data.pairToken);
});

test('a user id that is taken is asked for again later', async () => {
  const ann = person('ann');
  const received = server.received.bind(server);
  let refuse = true;
  server.received = (connection, message) => {
    if (!refuse) return received(connection, message);
    refuse = false;
    connection.send({ type: 'error', payload: { code: 'user_taken', message: '', temporary: true, retryAfterMs: 5000 } });
  };
  ann.find();
  await clock.advance(100);
  assert.equal(ann.snapshot.server.state, 'retrying');
  assert.equal(ann.snapshot.queue, null);
  const time = await clock.until(() => ann.snapshot.queue !== null, 'it waits');
  assert.ok(time > 4800 && time < 7700, `${time} ms`);
});

test('patience with a partner ends, but not while one of the two is away', async () => {
  const [ann, bob] = await pair();
  peer(bob).become('connected');
  await clock.advance(5000);
  server.push('ann', 'partner_away', { sessionId: 'session-1' });
  await clock.advance(60_000);
  assert.equal(ann.snapshot.phase, 'pairing');
  server.push('ann', 'partner_back', { sessionId: 'session-1' });
  await clock.advance(29_000);
  assert.equal(ann.snapshot.session?.id, 'session-1');
  await clock.advance(1100);
  assert.ok(events.includes('ann left {"reason":"no_path"}'));
  assert.equal(said('ann', 'skip').length, 1);
});

test('who finds no path is told which relays could not be reached, if it was none of them', async () => {
  const [turn, turns] = ['turn:call.example:3478?transport=udp', 'turns:call.example:443?transport=tcp'];
  server.iceServers.push({ urls: ['stun:call.example:3478'] }, { urls: [turn, turns], username: 'x', credential: 'y' });
  const people = await pair();
  let told: object[] = [];
  for (const person of people) person.on('left', (left) => left.reason === 'no_path' && told.push(left));
  for (const person of people) peer(person).onicecandidateerror?.({ url: turns, errorText: 'a failed TLS handshake' });
  await clock.until(() => told.length > 0, 'no path');
  const unreachable = [
    { url: turn, why: '' },
    { url: turns, why: 'a failed TLS handshake' },
  ];
  assert.deepEqual(told[0], { reason: 'no_path', unreachable });

  await clock.until(() => people.every(({ snapshot }) => snapshot.session?.id === 'session-2'), 'they meet again');
  told = [];
  const candidate = { candidate: 'candidate:1 1 udp 1 192.0.2.1 50000 typ relay', toJSON: () => ({}) };
  for (const person of people) peer(person).onicecandidate?.({ candidate });
  await clock.until(() => told.length > 0, 'no path');
  assert.deepEqual(told[0], { reason: 'no_path' });
});

test('first new paths, then a new connection in the same session', async () => {
  const [ann, bob] = await call();
  const first = peer(ann);
  first.become('failed');
  await clock.advance(10);
  assert.equal(first.restarts, 1);
  await clock.advance(7000);
  assert.notEqual(peer(ann), first);
  await clock.until(() => FakePeer.all.length === 4, 'the partner follows');
  assert.equal(first.connectionState, 'closed');
  assert.equal(ann.snapshot.session?.id, bob.snapshot.session?.id);
  assert.equal(ann.snapshot.phase, 'interrupted');
  peer(ann).become('connected');
  assert.equal(ann.snapshot.phase, 'connected');
});

test('what a connection had begun when it was closed holds up none of the next one', async () => {
  const [ann, bob] = await call();
  const before = peer(ann);
  // As in a browser: of a connection that is closed meanwhile the promise is never kept.
  before.addIceCandidate = () => new Promise(() => {});
  const candidate = { candidate: 'candidate:1', toJSON: () => ({ candidate: 'candidate:1' }) };
  (peer(bob) as any).onicecandidate({ candidate });
  await clock.advance(100);
  ann.relayOnly = true;
  assert.notEqual(peer(ann), before);
  await clock.until(() => peer(ann).remoteDescription !== null && peer(bob).remoteDescription !== null, 'both described');
});

test('credentials that the server renews are used from then on', async () => {
  const [ann] = await call();
  const iceServers = [{ urls: ['turn:relay'], username: 'new', credential: 'new' }];
  server.push('ann', 'ice_servers', { iceServers, iceTtl: 600 });
  await clock.advance(100);
  server.push('ann', 'ice_servers', { iceServers: [], iceTtl: 600 });
  await clock.advance(100);
  assert.deepEqual((peer(ann).configurations.at(-1) as { iceServers: object }).iceServers, iceServers);
});

test('a server of the old wire is spoken to as ever', async () => {
  server.oldWire = true;
  const [ann, bob] = await call();
  assert.deepEqual(said('ann', 'join_queue'), [
    { type: 'join_queue', data: { userId: 'ann', matchMode: 'default' } },
  ]);
  await clock.advance(120_000);
  for (const name of ['ann', 'bob']) {
    assert.equal(said(name, 'ping').length, 0);
    for (const { type, id, ack } of said(name, 'signal')) assert.deepEqual([type, id, ack], ['signal', undefined, undefined]);
  }
  network('ann').cut('seen');
  await clock.until(() => ann.snapshot.server.state === 'open', 'it is back');
  assert.deepEqual([ann.snapshot.phase, bob.snapshot.phase], ['connected', 'connected'], 'media outlives signaling');
});
