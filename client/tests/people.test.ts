// Whom one meets, and what two say to each other by the server.
import assert from 'node:assert/strict';
import { afterEach, beforeEach, test } from 'node:test';
import { FakePeer } from './fake/peer.js';
import { Party, peer, storage } from './fake/party.js';

let party: Party;
beforeEach(() => {
  party = new Party();
});
afterEach(() => party.end());

const asked = (type: string): any[] => party.server.asked.filter((one) => one.type === type).map(({ data }) => data);

test('whom one wants to meet is said with the search, and again after a reload', async () => {
  const { clock } = party;
  const [tab, browser] = [storage(), storage()];
  const ann = party.person('ann', { storage: tab, blockStorage: browser });
  ann.block('eve');
  ann.find({
    mode: 'buddies_first',
    buddies: ['bob'],
    blocked: ['mallory'],
    attributes: { interests: ['chess'], rating: 1500 },
    seeks: { rating: { within: 100 } },
  });
  await clock.until(() => ann.snapshot.queue !== null, 'ann waits');
  const [{ userId, ...join }] = asked('join_queue');
  assert.deepEqual(join, {
    matchMode: 'buddies_first',
    buddies: ['bob'],
    attributes: { interests: ['chess'], rating: 1500 },
    seeks: { rating: { within: 100 } },
    blocked: ['mallory', 'eve'],
  });
  assert.equal(userId, ann.userId);
  assert.deepEqual(ann.snapshot.queue, { position: 1, waiting: 1, etaMs: 20_000 });
  party.network('ann').cut('unseen');
  party.server.restart();
  const again = party.person('ann', { storage: tab, blockStorage: browser });
  assert.equal(again.resume(), true);
  await clock.until(() => again.snapshot.queue !== null, 'she waits again');
  assert.deepEqual(asked('join_queue')[1], asked('join_queue')[0]);
});

test('other wishes move who waits, and count for the next partner of who is in a call', async () => {
  const { clock } = party;
  const [ann] = await party.call();
  ann.find({ mode: 'chess' });
  assert.equal(ann.snapshot.phase, 'connected', 'the call goes on');
  await clock.advance(100);
  ann.next();
  await clock.until(() => ann.snapshot.session?.id === 'session-2', 'the next partner');
  assert.equal(asked('join_queue').at(-2).matchMode, 'chess');
  assert.equal(asked('skip').length, 0, 'a skip would be for the wishes from before');
  ann.next();
  await clock.until(() => ann.snapshot.session?.id === 'session-3', 'and the next');
  assert.equal(asked('skip').length, 1);
});

test('an offer is accepted at once, by nobody noticed', async () => {
  party.server.offers = true;
  const [ann] = await party.pair();
  assert.equal(party.said('ann', 'accept').length, 1);
  assert.equal(party.said('ann', 'accept')[0].id, undefined, 'it has no number');
  assert.deepEqual(ann.snapshot.queue, null);
});

test('who slept through an offer looks again once, and then asks the person', async () => {
  const { clock, server } = party;
  const ann = party.person('ann');
  ann.find();
  await clock.until(() => ann.snapshot.queue !== null, 'she waits');
  server.push('ann', 'queue_timeout', { reason: 'unanswered' });
  await clock.until(() => asked('join_queue').length === 2, 'she looks again');
  await clock.until(() => ann.snapshot.queue !== null, 'she waits');
  server.push('ann', 'queue_timeout', { reason: 'unanswered' });
  await clock.until(() => ann.snapshot.phase === 'idle', 'that was once too often');
  assert.deepEqual(party.events, [
    'ann timeout {"reason":"unanswered","searching":true}',
    'ann timeout {"reason":"unanswered","searching":false}',
  ]);
});

test('a page that nobody looks at does not look again', async () => {
  const { clock, server } = party;
  const ann = party.person('ann');
  ann.find();
  await clock.until(() => ann.snapshot.queue !== null, 'she waits');
  Object.assign(globalThis, { document: { visibilityState: 'hidden' } });
  server.push('ann', 'queue_timeout', { reason: 'unanswered' });
  await clock.advance(100);
  Object.assign(globalThis, { document: undefined });
  assert.equal(ann.snapshot.phase, 'idle');
  assert.deepEqual(party.events, ['ann timeout {"reason":"unanswered","searching":false}']);
});

test('what cannot be had is not looked for any longer', async () => {
  const { clock, server } = party;
  for (const [code, temporary, remedy] of [
    ['invalid_field', false, 'mend'],
    ['barred', true, 'later'],
  ] as const) {
    const ann = party.person('ann');
    server.refusal = { type: 'join_queue', error: { code, message: '', temporary, ...(temporary && { retryAfterMs: 60_000 }) } };
    ann.find({ mode: 'no such pool' });
    await clock.until(() => party.events.length > 0, 'she is told');
    assert.equal(ann.snapshot.phase, 'idle');
    assert.equal(JSON.parse(String(party.events.pop()).slice('ann error '.length)).remedy, remedy);
    await clock.advance(300_000);
    assert.equal(party.said('ann', 'join_queue').length, 1, 'and does not ask again');
  }
});

test('two who share a code meet in a room, and whoever is left there meets no stranger', async () => {
  const { clock } = party;
  const [ann, bob] = await party.roomCall();
  assert.equal(ann.snapshot.room, null, 'it has served');
  party.person('eve').find();
  await clock.advance(100);
  bob.stop();
  await clock.until(() => ann.snapshot.phase === 'idle', 'ann is alone');
  assert.ok(party.events.includes('ann left {"reason":"ended"}'));
  await clock.until(() => party.server.state('ann') === 'none', 'she leaves');
  assert.equal(asked('join_queue').length, 1, "eve's");
});

test('a room shows its code and how long it lasts, also after a reload, and closes', async () => {
  const { clock, server } = party;
  const tab = storage();
  const ann = party.person('ann', { storage: tab });
  ann.createRoom();
  await clock.until(() => ann.snapshot.room !== null, 'it is there');
  assert.deepEqual([ann.snapshot.phase, ann.snapshot.room?.code], ['looking', 'CODE1']);
  assert.ok(Math.abs((ann.snapshot.room?.expiresAt ?? 0) - clock.now - 600_000) < 100);
  party.network('ann').cut('seen');
  const again = party.person('ann', { storage: tab });
  assert.equal(again.resume(), true);
  await clock.until(() => again.snapshot.room !== null, 'she is told of it');
  assert.equal(again.snapshot.room?.code, 'CODE1');
  assert.equal(asked('create_room').length, 1);
  server.push(again.userId, 'room_closed', { code: 'CODE1' });
  await clock.until(() => again.snapshot.phase === 'idle', 'its time is over');
  assert.ok(party.events.includes('ann timeout {"reason":"room_closed","searching":false}'));
});

test('a server that begins anew makes another room, and the new code is told', async () => {
  const { clock, server } = party;
  const ann = party.person('ann');
  ann.createRoom();
  await clock.until(() => ann.snapshot.room !== null, 'it is there');
  server.restart();
  party.network('ann').cut('seen');
  await clock.until(() => ann.snapshot.room === null, 'the old one is not told any longer');
  await clock.until(() => ann.snapshot.room?.code === 'CODE2', 'another one is');
});

test('a room that was asked for while the server was away is made when it is back', async () => {
  const { clock } = party;
  const ann = party.person('ann');
  ann.find();
  await clock.until(() => ann.snapshot.queue !== null, 'she waits');
  party.network('ann').down = true;
  party.network('ann').cut('seen');
  await clock.advance(1000);
  ann.createRoom();
  await clock.advance(1000);
  assert.equal(ann.snapshot.room, null);
  party.network('ann').down = false;
  await clock.until(() => ann.snapshot.room !== null, 'it is there');
});

test('a code that is nobody’s is told, and the person may try another', async () => {
  const { clock } = party;
  const ann = party.person('ann');
  ann.joinRoom('WRONG');
  await clock.until(() => party.events.length > 0, 'she is told');
  assert.match(String(party.events[0]), /"code":"no_room","remedy":"other_code"/);
  assert.equal(ann.snapshot.phase, 'idle');
});

test('what is written arrives once and in order, whatever becomes of the connection', async () => {
  const { clock } = party;
  const [ann, bob] = await party.call();
  assert.equal(ann.sendMessage('one'), true);
  await clock.advance(100);
  party.network('ann').cut('unseen');
  assert.equal(ann.sendMessage('two'), true);
  peer(ann).become('disconnected');
  assert.equal(ann.sendMessage('three'), true);
  await clock.until(() => bob.snapshot.chat.length === 3, 'all is there');
  assert.deepEqual(bob.snapshot.chat.map(({ from, text }) => [from, text]), [['partner', 'one'], ['partner', 'two'], ['partner', 'three']]);
  assert.deepEqual(ann.snapshot.chat.map(({ from, text }) => [from, text]), [['us', 'one'], ['us', 'two'], ['us', 'three']]);
  assert.equal(party.events.filter((event) => event.startsWith('bob chat')).length, 3);
});

test('nothing is written to nobody, nothing empty and nothing too long; the oldest is forgotten', async () => {
  const { clock } = party;
  assert.equal(party.person('eve').sendMessage('hello?'), false);
  const [ann, bob] = await party.call();
  assert.equal(ann.sendMessage(''), false);
  assert.equal(ann.sendMessage('ä'.repeat(2001)), false, '4002 bytes');
  assert.equal(ann.sendMessage('ä'.repeat(2000)), true);
  for (let number = 1; number <= 205; number++) ann.sendMessage(String(number));
  await clock.until(() => bob.snapshot.chat.at(-1)?.text === '205', 'all is there');
  assert.deepEqual([bob.snapshot.chat.length, bob.snapshot.chat[0]?.text], [200, '6']);
  bob.next();
  await clock.until(() => bob.snapshot.session?.id === 'session-2', 'the next partner');
  assert.deepEqual(bob.snapshot.chat, [], 'another partner reads nothing of it');
});

test('what the server does not pass on is marked, and not sent again', async () => {
  const { clock, server } = party;
  const [ann, bob] = await party.call();
  ann.sendMessage('one');
  await clock.advance(100);
  const error = { code: 'too_often', message: '', temporary: true, retryAfterMs: 2000 };
  server.refusal = { type: 'message', error };
  ann.sendMessage('two');
  await clock.advance(100);
  ann.sendMessage('three');
  await clock.advance(10_000);
  assert.deepEqual(bob.snapshot.chat.map(({ text }) => text), ['one', 'three']);
  assert.deepEqual(ann.snapshot.chat.map(({ refused }) => refused), [false, true, false]);
  assert.match(party.events.join(), /ann error {"code":"too_often","remedy":"later"/);
});

test('a report names the session, and who has lost its partner may report still', async () => {
  const { clock } = party;
  const [ann, bob] = await party.call();
  assert.equal(party.person('eve').report('nobody'), false);
  assert.equal(ann.report('rude'), true);
  bob.stop();
  await clock.until(() => ann.snapshot.queue !== null, 'ann looks on');
  assert.equal(ann.report('and gone'), true);
  await clock.advance(100);
  assert.deepEqual(asked('report'), [{ sessionId: 'session-1', reason: 'rude' }, { reason: 'and gone' }]);
  assert.equal(party.events.filter((event) => event.startsWith('ann reported')).length, 2);
});

test('who is blocked is left at once, and named with every search of this browser', async () => {
  const { clock, server } = party;
  const [ann, bob] = await party.call();
  ann.block();
  assert.equal(ann.snapshot.session, null);
  await clock.until(() => ann.snapshot.queue !== null, 'ann looks on');
  assert.ok(party.events.includes('bob left {"reason":"ended"}'));
  assert.ok(!party.events.some((event) => event.startsWith('ann left')), 'she knows');
  assert.deepEqual(asked('block'), [{ userId: 'bob' }]);
  assert.deepEqual(asked('join_queue').filter(({ userId }) => userId === 'ann').at(-1).blocked, ['bob']);
  assert.deepEqual(ann.blocked, ['bob']);
  bob.stop();

  const browser = storage();
  const eve = party.person('eve', { storage: storage(), blockStorage: browser, userId: 'eve' });
  for (let number = 0; number <= 200; number++) eve.block(`user-${number}`);
  const later = party.person('later', { storage: storage(), blockStorage: browser });
  assert.deepEqual([later.blocked.length, later.blocked[0], later.blocked.at(-1)], [200, 'user-1', 'user-200']);
  later.unblock('user-7');
  later.find();
  await clock.until(() => asked('join_queue').at(-1)?.userId === later.userId, 'she looks');
  assert.equal(asked('join_queue').at(-1).blocked.length, 199);
  server.push(later.userId, 'blocked', { userId: 'from elsewhere' });
  await clock.until(() => later.blocked.includes('from elsewhere'), 'what the server tells of is remembered');
});

test('a block that is said while the server is away is said when it is back, and nobody comes back', async () => {
  const { clock } = party;
  const [ann] = await party.call();
  party.network('ann').down = true;
  party.network('ann').cut('seen');
  await clock.advance(1000);
  ann.block();
  party.network('ann').down = false;
  await clock.until(() => ann.snapshot.queue !== null || ann.snapshot.session !== null, 'ann looks on');
  assert.deepEqual(asked('block'), [{ userId: 'bob' }]);
  assert.equal(party.events.filter((event) => event.startsWith('ann partner')).length, ann.snapshot.session ? 2 : 1);
});

test('whether media is relayed is told as soon as it is known, and when it changes', async () => {
  const { clock } = party;
  const [ann] = await party.call();
  const path = (candidateType: string): void => {
    peer(ann).entries = [
      { id: 'P', type: 'candidate-pair', nominated: true, state: 'succeeded', localCandidateId: 'L', remoteCandidateId: 'R' },
      { id: 'L', candidateType: 'host' },
      { id: 'R', candidateType },
    ];
  };
  await clock.advance(3000);
  assert.deepEqual(asked('path'), [], 'nothing is known');
  path('srflx');
  await clock.advance(3000);
  path('relay');
  await clock.advance(3000);
  const sessionId = 'session-1';
  assert.deepEqual(asked('path'), [{ sessionId, relayed: false }, { sessionId, relayed: true }]);
  party.server.restart();
  party.network('ann').cut('seen');
  party.network('bob').cut('seen');
  await clock.advance(10_000);
  assert.deepEqual(asked('path').at(-1), { sessionId, relayed: true });
  assert.equal(asked('path').length, 3, 'a server that begins anew is told');
  assert.equal(FakePeer.all.length, 2);
});

test('a server of the old wire hears nothing of what it does not know', async () => {
  party.server.oldWire = true;
  const [ann] = await party.call();
  assert.deepEqual([ann.sendMessage('hello'), ann.report('rude')], [false, false]);
  ann.block();
  await party.clock.advance(5000);
  for (const type of ['message', 'report', 'block', 'path']) assert.equal(party.said('ann', type).length, 0);
  assert.deepEqual(ann.blocked, ['bob']);
});
