import assert from 'node:assert/strict';
import { test } from 'node:test';
import { read, shapeOf, write } from '../src/call/shapes.js';

const description = { type: 'offer', sdp: 'v=0' } as const;
const candidate = { candidate: 'candidate:1', sdpMid: '0', sdpMLineIndex: 0, usernameFragment: 'u' };

test('every shape met in the wild is understood', () => {
  assert.deepEqual(read({ description }), { description });
  assert.deepEqual(read({ type: 'offer', sdp: 'v=0' }), { description });
  assert.deepEqual(read({ type: 'answer', sdp: 'v=0' }), { description: { type: 'answer', sdp: 'v=0' } });
  assert.deepEqual(read({ candidate }), { candidate });
  assert.deepEqual(read({ type: 'candidate', candidate }), { candidate });
  assert.deepEqual(read(candidate), { candidate });
  assert.deepEqual(read({ candidate: { candidate: 'candidate:1' } }), { candidate: { candidate: 'candidate:1' } });
  assert.deepEqual(read({ restart: true, call: 2, sync: true, offer: 3 }), { restart: true, call: 2, sync: true, offer: 3 });
});

test('the end of candidates, and whatever else comes, says nothing', () => {
  const odd = [null, 7, 'offer', [], { candidate: null }, { candidate: '' }, { candidate: { candidate: '' } }];
  const wrong = [{ type: 'offer' }, { type: 'rollback', sdp: 'v=0' }, { description: { type: 'offer', sdp: 5 } }];
  const typed = [{ type: 'candidate', candidate: null }, { call: '2', restart: 1, offer: null }, { candidate: { candidate: 1 } }];
  for (const signal of [...odd, ...wrong, ...typed]) assert.deepEqual(read(signal), {}, JSON.stringify(signal));
});

test('a description is sent in both shapes, and is one', () => {
  const sent = write({ description, call: 1, offer: 1 }, 'nested');
  assert.deepEqual(sent, { type: 'offer', sdp: 'v=0', description, call: 1, offer: 1 });
  assert.deepEqual(read(sent), { description, call: 1, offer: 1 });
});

test("candidates are sent in the partner's shape, once it is known", () => {
  assert.equal(shapeOf({ description }), null);
  for (const [theirs, shape] of [
    [{ candidate }, 'nested'],
    [{ type: 'candidate', candidate }, 'typed'],
    [candidate, 'flat'],
  ] as const) {
    assert.equal(shapeOf(theirs), shape);
    assert.deepEqual(write({ candidate }, shape), theirs);
    assert.deepEqual(read(write({ candidate, call: 4 }, shape)), { candidate, call: 4 });
  }
});
