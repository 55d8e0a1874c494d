// @ts-check
/**
 * What getStats says about one call, in a page's words.
 *
 * @typedef {{
 *   type: string, protocol: string, relayProtocol?: string, address?: string, port?: number, url?: string,
 * }} Candidate
 * @typedef {{
 *   at: number, path: 'direct' | 'relayed', transport: string, local: Candidate, remote: Candidate,
 *   relayedBy: ('us' | 'partner')[], roundTrip?: number,
 *   bytesSent: number, bytesReceived: number, packetsSent: number, packetsReceived: number,
 *   video: { width: number, height: number, fps: number, framesDecoded: number },
 * }} CallStats  `roundTrip` in seconds, `at` in milliseconds; bytes and packets are the selected pair's.
 */

/**
 * Null until a candidate pair is selected.
 * @param {RTCPeerConnection} pc
 * @returns {Promise<CallStats | null>}
 */
export async function callStats(pc) {
  const report = await pc.getStats();
  const pair = selectedPair(report);
  const local = pair && report.get(pair.localCandidateId);
  const remote = pair && report.get(pair.remoteCandidateId);
  if (!local || !remote) return null;
  const video = [...report.values()].find((entry) => entry.type === 'inbound-rtp' && entry.kind === 'video');
  /** @type {('us' | 'partner')[]} */
  const relayedBy = [];
  if (local.candidateType === 'relay') relayedBy.push('us');
  if (remote.candidateType === 'relay') relayedBy.push('partner');
  return {
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
    video: {
      width: video?.frameWidth ?? 0,
      height: video?.frameHeight ?? 0,
      fps: video?.framesPerSecond ?? 0,
      framesDecoded: video?.framesDecoded ?? 0,
    },
  };
}

/**
 * Bits per second between two readings.
 * @param {CallStats} now
 * @param {CallStats} before
 * @param {'bytesSent' | 'bytesReceived'} key
 */
export function bitrate(now, before, key) {
  const seconds = (now.at - before.at) / 1000;
  return seconds > 0 ? Math.max(0, ((now[key] - before[key]) * 8) / seconds) : 0;
}

/** Firefox has no `selectedCandidatePairId`; it marks the pair itself. @param {RTCStatsReport} report */
function selectedPair(report) {
  const entries = [...report.values()];
  const transport = entries.find((entry) => entry.type === 'transport' && entry.selectedCandidatePairId);
  if (transport) return report.get(transport.selectedCandidatePairId);
  return entries.find(
    (entry) => entry.type === 'candidate-pair' && (entry.selected || (entry.nominated && entry.state === 'succeeded')),
  );
}

/** @param {any} entry @returns {Candidate} */
function candidate({ candidateType, protocol, relayProtocol, address, port, url }) {
  return { type: candidateType, protocol, relayProtocol, address, port, url };
}
