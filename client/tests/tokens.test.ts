// A server that wants to know who somebody is.
import assert from 'node:assert/strict';
import { afterEach, beforeEach, test } from 'node:test';
import { Party, peer, storage } from './fake/party.js';

let party: Party;
let good: string;
let asked: number;
beforeEach(() => {
  party = new Party();
  good = 'token-1';
  asked = 0;
  party.server.whose = (token) => {
    if (token === undefined) return { code: 'token_missing' };
    return token === good ? { user: 'ann' } : { code: 'token_expired' };
  };
});
afterEach(() => party.end());

/** The application's: it gives what is good then. */
const source = async (): Promise<string> => {
  asked += 1;
  return good;
};
const renewals = (): any[] => party.server.asked.filter(({ type }) => type === 'renew_token').map(({ data }) => data.token);
const tell = (type: string, payload: object): void => party.server.push('ann', type, payload);

test('a token says who we are, and no userId has to agree with it', async () => {
  const { clock } = party;
  const client = party.person('tab', { storage: storage(), token: 'token-1', blockStorage: null });
  client.find();
  await clock.until(() => client.snapshot.queue !== null, 'it waits');
  assert.deepEqual(party.said('tab', 'hello')[0].data, { token: 'token-1' });
  assert.equal(party.said('tab', 'join_queue')[0].data.userId, undefined);
  assert.equal(party.server.state('ann'), 'waiting');
});

test('a token that will run out is renewed while the connection lasts', async () => {
  const { clock } = party;
  const client = party.person('tab', { token: source });
  client.find();
  await clock.until(() => client.snapshot.queue !== null, 'it waits');
  for (const next of ['token-2', 'token-3']) {
    good = next;
    await clock.advance(600_000);
    tell('token_expiring', { expiresInMs: 60_000 });
    await clock.until(() => renewals().at(-1) === next, 'the next one is given');
    await clock.advance(100);
  }
  assert.equal(asked, 3);
  assert.equal(party.network('tab').sockets.length, 1);
  party.network('tab').cut('seen');
  await clock.until(() => client.snapshot.server.state === 'retrying', 'it is lost');
  await clock.until(() => client.snapshot.server.state === 'open', 'it is back');
  assert.equal(asked, 3, 'the one there is will do');
  assert.deepEqual(party.events, []);
});

test('tokens that last for a minute are renewed twice in it, not as fast as can be', async () => {
  const { clock } = party;
  const client = party.person('tab', { token: source });
  client.find();
  await clock.until(() => client.snapshot.queue !== null, 'it waits');
  for (let time = 0; time < 10; time++) {
    tell('token_expiring', { expiresInMs: 60_000 });
    await clock.advance(100);
    assert.equal(asked, time + 1);
    await clock.advance(30_000);
    assert.equal(asked, time + 2);
  }
});

test('a connection that is made with a token from before gets a fresh one, once', async () => {
  const { clock } = party;
  const client = party.person('tab', { token: source });
  client.find();
  await clock.until(() => client.snapshot.queue !== null, 'it waits');
  party.network('tab').down = true;
  party.network('tab').cut('seen');
  good = 'token-2';
  await clock.advance(5000);
  party.network('tab').down = false;
  await clock.until(() => client.snapshot.server.state === 'open', 'it is back');
  assert.equal(asked, 2);
  assert.deepEqual(party.events, [], 'nobody need know');

  good = 'never given';
  party.network('tab').cut('seen');
  Object.assign(party.server, { whose: () => ({ code: 'token_expired' }) });
  await clock.until(() => client.snapshot.phase === 'idle', 'it stops');
  assert.deepEqual(client.snapshot.server, { state: 'refused', code: 'token_expired' });
  assert.match(party.events.join(), /^tab error {"code":"token_expired","remedy":"sign_in"/);
  assert.equal(asked, 3);
  const sockets = party.network('tab').sockets.length;
  await clock.advance(300_000);
  assert.equal(party.network('tab').sockets.length, sockets, 'it stays away');
});

test('closed because its token ran out, it comes back with another, or not at all', async () => {
  const { clock, server } = party;
  const client = party.person('tab', { token: source });
  client.find();
  await clock.until(() => client.snapshot.queue !== null, 'it waits');
  good = 'token-2';
  server.close('ann', 4502);
  await clock.until(() => asked === 2, 'the application is asked');
  await clock.until(() => client.snapshot.server.state === 'open', 'it is back');
  assert.equal(party.said('tab', 'join_queue').length, 1, 'in its place');
  client.stop();

  const fixed = party.person('fixed', { token: 'token-2' });
  fixed.find();
  await clock.until(() => fixed.snapshot.queue !== null, 'it waits');
  server.close('ann', 4502);
  await clock.until(() => fixed.snapshot.phase === 'idle', 'there is no other');
  assert.deepEqual(fixed.snapshot.server, { state: 'refused', code: 'token_expired' });
});

test('a call goes on when its token has run out for good', async () => {
  const { clock, server } = party;
  server.whose = (token) => (token ? { user: token } : { code: 'token_missing' });
  const [ann, bob] = ['ann', 'bob'].map((name) => party.person(name, { token: name }));
  ann?.find();
  bob?.find();
  await clock.until(() => ann?.snapshot.phase === 'pairing', 'they are paired');
  if (!ann) return;
  peer(ann).become('connected');
  server.close('ann', 4502);
  await clock.advance(60_000);
  assert.deepEqual([ann.snapshot.phase, ann.snapshot.server.state], ['connected', 'refused']);
});

test('a key that is being fetched is waited for, and a token that is none is told', async () => {
  const { clock, server } = party;
  let answers: ({ code: string; retryAfterMs?: number } | { user: string })[] = [
    { code: 'token_unverified', retryAfterMs: 2000 },
    { user: 'ann' },
  ];
  server.whose = () => answers.shift() ?? { user: 'ann' };
  const client = party.person('tab', { token: 'token-1' });
  client.find();
  const time = await clock.until(() => client.snapshot.queue !== null, 'it waits');
  assert.ok(time > 2000 && time < 3200, `${time} ms`);
  assert.match(String(party.events.pop()), /"token_unverified","remedy":"wait"/);
  client.stop();

  for (const code of ['token_missing', 'token_invalid', 'wrong_user']) {
    answers = [{ code }];
    client.find();
    await clock.until(() => client.snapshot.phase === 'idle', 'it stops');
    assert.deepEqual(client.snapshot.server, { state: 'refused', code });
    assert.match(String(party.events.pop()), new RegExp(`"${code}","remedy":"sign_in"`));
  }
});

test('who is barred is told for how long, and does not knock meanwhile', async () => {
  const { clock, server } = party;
  server.whose = () => ({ code: 'barred', retryAfterMs: 3_600_000 });
  const client = party.person('tab', { token: 'token-1' });
  client.find();
  await clock.advance(4_000_000);
  assert.equal(party.network('tab').sockets.length, 1);
  assert.equal(client.snapshot.phase, 'idle');
  assert.match(party.events.join(), /^tab error {"code":"barred","remedy":"later","temporary":true.*"retryAfterMs":3600000}$/);
});

test('an application that fails to give a token is asked again, ever more slowly', async () => {
  const { clock } = party;
  let fails = true;
  const client = party.person('tab', {
    token: async () => {
      asked += 1;
      if (fails) throw new Error('offline');
      return good;
    },
  });
  client.find();
  await clock.advance(60_000);
  assert.ok(asked > 4 && asked < 12, `${asked} times in a minute`);
  assert.match(String(party.events[0]), /"token_missing","remedy":"sign_in","temporary":true,"message":"no token from the application: Error: offline"/);
  fails = false;
  await clock.until(() => client.snapshot.queue !== null, 'it waits');
});
