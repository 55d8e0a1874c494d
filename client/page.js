// @ts-check
import { HairpinClient } from './hairpin.js';
import { openMedia } from './media.js';
import { bitrate, callStats } from './stats.js';

/** @typedef {import('./stats.js').CallStats} CallStats */

const FIRST = [
  'Amber',
  'Brisk',
  'Calm',
  'Clever',
  'Gentle',
  'Golden',
  'Lucky',
  'Merry',
  'Quiet',
  'Silver',
  'Sunny',
  'Swift',
];
const SECOND = [
  'Badger',
  'Crane',
  'Dolphin',
  'Fox',
  'Heron',
  'Lynx',
  'Magpie',
  'Otter',
  'Robin',
  'Seal',
  'Swallow',
  'Wren',
];
const STATS_EVERY_MS = 1000;

const userId = newUserId();
const name = nameOf(userId);
const client = new HairpinClient({ userId, matchMode: new URLSearchParams(location.search).get('mode') ?? 'default' });
/** @type {import('./media.js').Media | null} */
let media = null;
/** @type {CallStats | null} */
let before = null;

/** The seam for browser tests and for a curious person at the console. */
Object.assign(window, { hairpin: { client, stats: async () => (client.pc ? callStats(client.pc) : null) } });

// -- what a person does --------------------------------------------------------------------------

button('find').onclick = async () => {
  button('find').disabled = true;
  notice(null);
  media ??= await openMedia(name);
  notice(media.notice);
  client.stream = media.stream;
  video('local').srcObject = media.stream;
  video('local').classList.toggle('mirrored', media.camera);
  applyMutes();
  client.find();
};
button('next').onclick = () => client.next();
button('stop').onclick = () => client.stop();
input('relay-only').onchange = ({ target }) => {
  client.relayOnly = /** @type {HTMLInputElement} */ (target).checked;
};
client.relayOnly = input('relay-only').checked; // a reload keeps the box as it was

for (const [id, on, off] of [
  ['microphone', 'Unmute microphone', 'Mute microphone'],
  ['camera', 'Turn camera on', 'Turn camera off'],
]) {
  button(id).onclick = () => {
    const muted = !pressed(id);
    button(id).setAttribute('aria-pressed', String(muted));
    button(id).title = muted ? on : off;
    button(id).setAttribute('aria-label', button(id).title);
    applyMutes();
  };
}

button('sound').onclick = () => {
  video('remote').muted = false;
  button('sound').hidden = true;
};

function applyMutes() {
  media?.stream.getAudioTracks().forEach((track) => {
    track.enabled = !pressed('microphone');
  });
  media?.stream.getVideoTracks().forEach((track) => {
    track.enabled = !pressed('camera');
  });
}

// -- what the client reports ---------------------------------------------------------------------

on('state', (state) => {
  document.body.dataset.state = state;
  element('stat-state').textContent = state;
  const partner = client.session ? nameOf(client.session.partnerId) : '';
  const [status, title, text] = {
    idle: ['Ready', 'Meet someone', 'You are paired with whoever has waited longest.'],
    connecting: ['Connecting', 'Reaching the server…', 'One moment.'],
    queued: ['Looking for a partner', 'Looking for a partner…', 'Stay here: the call starts by itself.'],
    pairing: [`Found ${partner}`, `Found ${partner}`, 'Connecting the two of you…'],
    connected: [`Talking with ${partner}`, '', ''],
    interrupted: ['Connection interrupted', 'Connection interrupted', 'Looking for another way…'],
  }[/** @type {import('./hairpin.js').State} */ (state)];
  element('status').textContent = status;
  element('veil-title').textContent = title;
  element('veil-text').textContent = text;
  element('partner-name').textContent = partner;
  element('partner-name').hidden = state !== 'connected';
  showActions(state);
  if (!client.session) forgetCall();
  if (state === 'idle') closeMedia();
});

on('queued', (position) => {
  if (position > 1) element('veil-text').textContent = `You are number ${position} in line.`;
});

on('stream', (stream) => {
  const remote = video('remote');
  if (remote.srcObject === stream) return;
  remote.srcObject = stream;
  // Without a recent click a browser may refuse sound; the picture comes anyway.
  remote.play().catch((error) => {
    if (error.name !== 'NotAllowedError') return;
    remote.muted = true;
    button('sound').hidden = false;
    void remote.play();
  });
});

on('partner', () => notice(media?.notice ?? null));
on('left', (reason) => {
  const said = {
    skipped: 'Your partner moved on.',
    ended: 'Your partner ended the call.',
    expired: 'The call reached its time limit.',
  };
  element('veil-title').textContent = said[/** @type {keyof typeof said} */ (reason)] ?? 'Your partner is gone.';
  element('veil-text').textContent = 'Looking for the next one…';
});
on('timeout', () => notice('Nobody came this time. Press Find partner to try again.'));
on('notice', ({ message }) => notice(message));

// -- the panel -----------------------------------------------------------------------------------

setInterval(async () => {
  const pc = client.pc;
  const now = pc && (await callStats(pc));
  if (!now || pc !== client.pc) return;
  showStats(now, before);
  before = now;
}, STATS_EVERY_MS);

/** @param {CallStats} now @param {CallStats | null} last */
function showStats(now, last) {
  const strong = document.createElement('strong');
  strong.textContent = now.path;
  element('stat-path').replaceChildren(strong);
  element('stat-transport').textContent = now.transport.toUpperCase();
  element('stat-pair').textContent = `${now.local.type} → ${now.remote.type}`;
  element('stat-relay').textContent = relaysOf(now);
  element('stat-in').textContent = last ? rate(bitrate(now, last, 'bytesReceived')) : '–';
  element('stat-out').textContent = last ? rate(bitrate(now, last, 'bytesSent')) : '–';
  element('stat-rtt').textContent =
    now.roundTrip === undefined ? '–' : `${(now.roundTrip * 1000).toFixed(now.roundTrip < 0.01 ? 1 : 0)} ms`;
  element('stat-picture').textContent = now.video.width
    ? `${now.video.width} × ${now.video.height}, ${Math.round(now.video.fps)} fps`
    : '–';
}

/** Whose relays the call goes through, and where they are. @param {CallStats} call */
function relaysOf({ relayedBy, local, remote }) {
  if (relayedBy.length === 2 && local.address === remote.address) return `${local.address} (both ends)`;
  return (
    relayedBy.map((by) => (by === 'us' ? `${local.address} (ours)` : `${remote.address} (partner’s)`)).join(', ') ||
    'nobody'
  );
}

/** @param {number} bits */
function rate(bits) {
  return bits >= 1e6 ? `${(bits / 1e6).toFixed(2)} Mbit/s` : `${Math.round(bits / 1e3)} kbit/s`;
}

function forgetCall() {
  before = null;
  video('remote').srcObject = null;
  button('sound').hidden = true;
  for (const id of ['path', 'transport', 'pair', 'relay', 'in', 'out', 'rtt', 'picture'])
    element(`stat-${id}`).textContent = '–';
}

// -- small things --------------------------------------------------------------------------------

/** The buttons that make sense now; the keyboard's focus follows when its button goes. @param {string} state */
function showActions(state) {
  const focused = document.activeElement;
  button('find').disabled = false;
  button('find').hidden = state !== 'idle';
  button('stop').hidden = state === 'idle';
  button('next').hidden = !client.session;
  if (focused instanceof HTMLButtonElement && focused.hidden)
    button(state === 'idle' ? 'find' : client.session ? 'next' : 'stop').focus();
}

function closeMedia() {
  media?.close();
  media = null;
  video('local').srcObject = null;
}

/** @param {string | null} text */
function notice(text) {
  element('notice').textContent = text ?? '';
  element('notice').hidden = !text;
}

/** Readable and unguessable. Not randomUUID: that is missing where a page was opened over plain HTTP. */
function newUserId() {
  const bytes = crypto.getRandomValues(new Uint8Array(14));
  const hex = Array.from(bytes.subarray(2), (byte) => byte.toString(16).padStart(2, '0')).join('');
  return `${FIRST[bytes[0] % FIRST.length]}-${SECOND[bytes[1] % SECOND.length]}-${hex}`;
}

/** @param {string} id */
function nameOf(id) {
  const [first, second, rest] = id.split('-');
  return rest ? `${first} ${second}` : id;
}

/** @param {string} id */
function pressed(id) {
  return button(id).getAttribute('aria-pressed') === 'true';
}
/** @param {string} type @param {(detail: any) => void} handler */
function on(type, handler) {
  client.addEventListener(type, (event) => handler(/** @type {CustomEvent} */ (event).detail));
}
/** @param {string} id */
function element(id) {
  return /** @type {HTMLElement} */ (document.getElementById(id));
}
/** @param {string} id */
function button(id) {
  return /** @type {HTMLButtonElement} */ (element(id));
}
/** @param {string} id */
function input(id) {
  return /** @type {HTMLInputElement} */ (element(id));
}
/** @param {string} id */
function video(id) {
  return /** @type {HTMLVideoElement} */ (element(id));
}
