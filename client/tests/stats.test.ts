import assert from 'node:assert/strict';
import { test } from 'node:test';
import { bitrate, callStats, quality } from '../src/stats.js';
import type { CallStats } from '../src/stats.js';

const reports = (...entries: object[]): RTCPeerConnection =>
  ({ getStats: async () => new Map(entries.map((entry, index) => [index, entry])) }) as unknown as RTCPeerConnection;

const PAIR = {
  ...{ id: 'P', type: 'candidate-pair', localCandidateId: 'L', remoteCandidateId: 'R', timestamp: 5000 },
  ...{ currentRoundTripTime: 0.05, bytesSent: 1, bytesReceived: 2, packetsSent: 3, packetsReceived: 4 },
};
const LOCAL = { id: 'L', type: 'local-candidate', candidateType: 'relay', protocol: 'udp', relayProtocol: 'tls' };
const REMOTE = { id: 'R', type: 'remote-candidate', candidateType: 'srflx', protocol: 'udp', address: '192.0.2.1' };
const TRANSPORT = { id: 'T', type: 'transport', selectedCandidatePairId: 'P' };
const VIDEO = {
  ...{ id: 'V', type: 'inbound-rtp', kind: 'video', frameWidth: 640, frameHeight: 480, framesPerSecond: 30 },
  ...{ framesDecoded: 7, packetsReceived: 90, packetsLost: 10 },
};

test('what getStats says, in the words of a page', async () => {
  const stats = await callStats(reports(TRANSPORT, PAIR, LOCAL, REMOTE, VIDEO), null);
  assert.deepEqual(
    [stats?.path, stats?.transport, stats?.relayedBy, stats?.roundTrip, stats?.at],
    ['relayed', 'tls', ['us'], 0.05, 5000],
  );
  assert.deepEqual(stats?.video, { width: 640, height: 480, fps: 30, framesDecoded: 7 });
  assert.deepEqual([stats?.packetsExpected, stats?.packetsLost, stats?.quality], [100, 10, 'poor']);
  assert.equal(stats?.remote.address, '192.0.2.1');
});

test('Firefox marks the pair itself', async () => {
  const stats = await callStats(reports({ ...PAIR, selected: true }, LOCAL, REMOTE), null);
  assert.equal(stats?.bytesReceived, 2);
});

test('without a selected pair there is nothing to show', async () => {
  assert.equal(await callStats(reports(PAIR, LOCAL, REMOTE), null), null);
});

test('quality is what was lost since the last reading, and how long an answer takes', () => {
  const reading = (at: number, expected: number, lost: number, bytesReceived: number, roundTrip = 0.05): CallStats =>
    ({ at, packetsExpected: expected, packetsLost: lost, bytesReceived, roundTrip }) as CallStats;
  const before = reading(0, 1000, 500, 1000);
  assert.equal(quality(reading(1000, 1100, 500, 2000), before), 'good');
  assert.equal(quality(reading(1000, 1100, 504, 2000), before), 'fair');
  assert.equal(quality(reading(1000, 1100, 520, 2000), before), 'poor');
  assert.equal(quality(reading(1000, 1100, 500, 2000, 0.3), before), 'fair');
  assert.equal(quality(reading(1000, 1100, 500, 2000, 0.6), before), 'poor');
  assert.equal(quality(reading(1000, 1000, 500, 1000), before), 'none', 'nothing comes');
  assert.equal(quality(reading(1000, 50, 0, 40), before), 'good', 'another connection counts anew');
  assert.equal(bitrate(reading(2000, 0, 0, 3000), before, 'bytesReceived'), 8000);
});

test('a connection that is closed while it is asked, and never answers, has no statistics', async (t) => {
  t.mock.timers.enable({ apis: ['setTimeout'] });
  const never = { getStats: () => new Promise(() => {}) } as unknown as RTCPeerConnection;
  const stats = callStats(never, null);
  t.mock.timers.tick(2_000);
  assert.equal(await stats, null);
});
