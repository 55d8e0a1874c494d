/** One end of the path. */
export interface Candidate {
  readonly type: string;
  readonly protocol: string;
  readonly relayProtocol?: string;
  readonly address?: string;
  readonly port?: number;
  readonly url?: string;
}

export type Quality = 'good' | 'fair' | 'poor' | 'none';

/** What getStats says about a call, distilled to what people show. */
export interface CallStats {
  /** In milliseconds since 1970. */
  readonly at: number;
  readonly path: 'direct' | 'relayed';
  /** How our end reaches the network: udp, tcp, tls. */
  readonly transport: string;
  readonly local: Candidate;
  readonly remote: Candidate;
  readonly relayedBy: readonly ('us' | 'partner')[];
  /** In seconds. */
  readonly roundTrip: number | undefined;
  /** Bytes and packets are the selected pair's. */
  readonly bytesSent: number;
  readonly bytesReceived: number;
  readonly packetsSent: number;
  readonly packetsReceived: number;
  /** Media packets that should have come, and those that did not. */
  readonly packetsExpected: number;
  readonly packetsLost: number;
  readonly video: {
    readonly width: number;
    readonly height: number;
    readonly fps: number;
    readonly framesDecoded: number;
  };
  readonly quality: Quality;
}

type Entry = Record<string, any>;

/** Firefox never answers for a connection that is closed while it is asked. */
const ANSWER_MS = 2_000;

async function reportOf(pc: RTCPeerConnection): Promise<RTCStatsReport | null> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const nothing = new Promise<null>((resolve) => (timer = setTimeout(resolve, ANSWER_MS, null)));
  return await Promise.race([pc.getStats(), nothing]).finally(() => clearTimeout(timer));
}

/** Null until a candidate pair is selected. `before` is the last reading, for what only a difference shows. */
export async function callStats(pc: RTCPeerConnection, before: CallStats | null): Promise<CallStats | null> {
  const report = await reportOf(pc);
  if (!report) return null;
  const entries = entriesOf(report);
  const pair = selectedPair(entries);
  const local = pair && entries.find(({ id }) => id === pair.localCandidateId);
  const remote = pair && entries.find(({ id }) => id === pair.remoteCandidateId);
  if (!pair || !local || !remote) return null;
  const received = entries.filter(({ type }) => type === 'inbound-rtp');
  const video = received.find(({ kind }) => kind === 'video');
  const relayedBy: ('us' | 'partner')[] = [];
  if (local.candidateType === 'relay') relayedBy.push('us');
  if (remote.candidateType === 'relay') relayedBy.push('partner');
  const packetsLost = sum(received, 'packetsLost');
  const now: Omit<CallStats, 'quality'> = {
    at: pair.timestamp,
    path: relayedBy.length ? 'relayed' : 'direct',
    transport: local.relayProtocol ?? local.protocol,
    local: candidate(local),
    remote: candidate(remote),
    relayedBy,
    roundTrip: pair.currentRoundTripTime,
    bytesSent: pair.bytesSent ?? 0,
    bytesReceived: pair.bytesReceived ?? 0,
    packetsSent: pair.packetsSent ?? 0,
    packetsReceived: pair.packetsReceived ?? 0,
    packetsExpected: sum(received, 'packetsReceived') + packetsLost,
    packetsLost,
    video: {
      width: video?.frameWidth ?? 0,
      height: video?.frameHeight ?? 0,
      fps: video?.framesPerSecond ?? 0,
      framesDecoded: video?.framesDecoded ?? 0,
    },
  };
  return { ...now, quality: quality(now, before) };
}

/** Bits per second between two readings. */
export function bitrate(now: CallStats, before: CallStats, key: 'bytesSent' | 'bytesReceived'): number {
  const seconds = (now.at - before.at) / 1000;
  return seconds > 0 ? Math.max(0, ((now[key] - before[key]) * 8) / seconds) : 0;
}

export interface Signs {
  /** Grows as long as anything comes from the partner, be it only checks that it is there. */
  readonly heard: number;
  /** Null until a path is selected. */
  readonly relayed: boolean | null;
}

/** What tells whether the call lives, and by which way. */
export async function signsOfLife(pc: RTCPeerConnection): Promise<Signs> {
  const entries = entriesOf(await pc.getStats());
  // By whichever path: the partner may send by another one than we have selected.
  const pairs = entries.filter(({ type }) => type === 'candidate-pair');
  const heard = sum(pairs, 'bytesReceived') + sum(pairs, 'responsesReceived') + sum(pairs, 'requestsReceived');
  const pair = selectedPair(entries);
  const ends = entries.filter(({ id }) => id === pair?.localCandidateId || id === pair?.remoteCandidateId);
  return { heard, relayed: ends.length < 2 ? null : ends.some(({ candidateType }) => candidateType === 'relay') };
}

/** Where people begin to talk over each other (round trip), and where sound begins to break (loss). */
export function quality(now: Omit<CallStats, 'quality'>, before: CallStats | null): Quality {
  // Another connection counts from the start.
  const last = before && before.packetsExpected <= now.packetsExpected ? before : null;
  const expected = now.packetsExpected - (last?.packetsExpected ?? 0);
  const loss = expected > 0 ? (now.packetsLost - (last?.packetsLost ?? 0)) / expected : 0;
  const roundTrip = now.roundTrip ?? 0;
  if (last && now.at > last.at && now.bytesReceived === last.bytesReceived) return 'none';
  if (loss > 0.08 || roundTrip > 0.5) return 'poor';
  return loss > 0.02 || roundTrip > 0.25 ? 'fair' : 'good';
}

/** Firefox has no `selectedCandidatePairId`; it marks the pair itself. */
function selectedPair(entries: Entry[]): Entry | undefined {
  const selected = entries.find((entry) => entry.type === 'transport' && entry.selectedCandidatePairId);
  if (selected) return entries.find(({ id }) => id === selected.selectedCandidatePairId);
  const pairs = entries.filter(({ type }) => type === 'candidate-pair');
  // After an ICE restart the pair from before is still called nominated.
  return (
    pairs.find(({ selected }) => selected) ?? pairs.find(({ nominated, state }) => nominated && state === 'succeeded')
  );
}

function entriesOf(report: RTCStatsReport): Entry[] {
  const entries: Entry[] = [];
  report.forEach((entry) => entries.push(entry));
  return entries;
}

function sum(entries: Entry[], key: string): number {
  return entries.reduce((total, entry) => total + (entry[key] ?? 0), 0);
}

function candidate({ candidateType, protocol, relayProtocol, address, port, url }: Entry): Candidate {
  return { type: candidateType, protocol, relayProtocol, address, port, url };
}
