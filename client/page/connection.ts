/** The quality mark and, behind it, what a visitor and what a curious one may want to know of the connection. */
import type { CallStats, HairpinClient } from '../src/hairpin-client.js';
import { button, element, label, write } from './dom.js';
import { PATHS, QUALITIES } from './words.js';

const EVERY_MS = 1000;
const DETAILS = ['path', 'transport', 'pair', 'relay', 'in', 'out', 'rtt', 'picture'] as const;

type Details = Record<(typeof DETAILS)[number], string>;

/** Reads the call's statistics as long as the page lives. */
export function watchConnection(client: HairpinClient) {
  let before: CallStats | null = null;
  setInterval(async () => {
    const connection = client.peerConnection;
    const now = await client.stats();
    if (connection !== client.peerConnection) return;
    showMark(now, client);
    showDetails(now && detailsOf(now, before));
    before = now;
  }, EVERY_MS);
  client.on('change', () => showMark(before, client));
}

function showMark(now: CallStats | null, { snapshot }: HairpinClient) {
  if (snapshot.phase !== 'connected' && snapshot.phase !== 'interrupted') return hideMark();
  if (!now && snapshot.phase === 'connected') return;
  const quality = snapshot.phase === 'connected' && now ? now.quality : 'none';
  const [word, sentence] = QUALITIES[quality];
  const mark = button('quality');
  mark.hidden = false;
  mark.dataset.quality = quality;
  label(mark, `Connection: ${word}`);
  write(element('quality-word'), word);
  write(element('quality-text'), sentence);
  write(element('path-text'), now ? PATHS[now.path] : '');
}

function hideMark() {
  button('quality').hidden = true;
  const panel = element('connection');
  if (panel.matches(':popover-open')) panel.hidePopover();
  showDetails(null);
}

function showDetails(details: Details | null) {
  for (const name of DETAILS) write(element(`stat-${name}`), details?.[name] ?? '–');
}

function detailsOf(now: CallStats, before: CallStats | null): Details {
  const { path, transport, local, remote, roundTrip, video } = now;
  return {
    path,
    transport: transport.toUpperCase(),
    pair: `${local.type} → ${remote.type}`,
    relay: relaysOf(now),
    in: before ? rate(now, before, 'bytesReceived') : '–',
    out: before ? rate(now, before, 'bytesSent') : '–',
    rtt: roundTrip === undefined ? '–' : `${(roundTrip * 1000).toFixed(roundTrip < 0.01 ? 1 : 0)} ms`,
    picture: video.width ? `${video.width} × ${video.height}, ${Math.round(video.fps)} fps` : '–',
  };
}

/** Whose relays the call goes through, and where they are. */
function relaysOf({ relayedBy, local, remote }: CallStats): string {
  if (relayedBy.length === 2 && local.address === remote.address) return `${local.address} (both ends)`;
  return (
    relayedBy.map((by) => (by === 'us' ? `${local.address} (ours)` : `${remote.address} (partner’s)`)).join(', ') ||
    'nobody'
  );
}

function rate(now: CallStats, before: CallStats, key: 'bytesSent' | 'bytesReceived'): string {
  const seconds = (now.at - before.at) / 1000;
  const bits = seconds > 0 ? Math.max(0, ((now[key] - before[key]) * 8) / seconds) : 0;
  return bits >= 1e6 ? `${(bits / 1e6).toFixed(2)} Mbit/s` : `${Math.round(bits / 1e3)} kbit/s`;
}
