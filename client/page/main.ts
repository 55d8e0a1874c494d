/** The page: what a person does goes to the client, what the client reports goes to the screen. */
import { HairpinClient } from '../src/hairpin-client.js';
import { prepareChat, showChat } from './chat.js';
import { Companion } from './companion.js';
import { watchConnection } from './connection.js';
import { button, element, label, icon, remember, remembered, video, write } from './dom.js';
import { type Media, mayOpenUnasked, openMedia, troubleWords } from './media.js';
import { nameOf } from './names.js';
import { People } from './people.js';
import { forgetInvitation, invitation, prepareRooms, showCode } from './rooms.js';
import { prepareSettings } from './settings.js';
import { type Own, showScene, showSelf, showStream, wakePictures } from './stage.js';
import { type Hold, type Reason, errorWords, farewellWords, reasonOf, refusalWords, sceneOf, timeoutWords, welcome } from './words.js';

/** How long *Next* can be undone. */
const UNDO_MS = 1000;

declare global {
  interface Window {
    /** The seam for browser tests, which may also bring a client of their own, and for a curious person at the console. */
    hairpin?: { client: HairpinClient; stats?: () => ReturnType<HairpinClient['stats']> };
  }
}

const matchMode = new URLSearchParams(location.search).get('mode') ?? 'default';
const client = window.hairpin?.client ?? new HairpinClient({ matchMode });
window.hairpin = { client, stats: () => client.stats() };

let media: Media | null = null;
let opening: Promise<void> | null = null;
let leaving: number | undefined;
let farewell: Reason | null = null;
let hold: Hold | null = null;
/** Something that happened; what is wrong with the devices is said where nothing happened. */
let notice: string | null = null;
let troubleDismissed = false;
/** What a person wants to send, asked for or not. Whoever is muted and reloads the page is not heard all of a sudden. */
const wanted = { microphone: true, camera: true, ...remembered('wanted', {}) };
const people = new People(client);
const companion = new Companion(client, people);

for (const sign of ['resume', 'visibilitychange']) document.addEventListener(sign, wakePictures);

// -- what a person does --------------------------------------------------------------------------

button('find').onclick = () => {
  const code = invitation();
  void enter(() => (code ? client.joinRoom(code) : client.find(people.wishes)));
};

/** With the devices that there are. */
async function enter(go: () => void) {
  notice = null;
  forgetInvitation();
  button('find').disabled = true;
  await useMedia();
  button('find').disabled = false;
  go();
}
button('next').onclick = () => {
  if (leaving !== undefined || !client.snapshot.session) return;
  leaving = setTimeout(() => {
    stay();
    client.next();
  }, UNDO_MS);
  render();
};
button('undo').onclick = () => {
  stay();
  render();
};
button('stop').onclick = () => {
  stay();
  client.stop();
};
button('start-camera').onclick = () => void retryMedia();
for (const kind of ['microphone', 'camera'] as const) {
  button(kind).onclick = () => {
    if (media && !hasTrack(kind)) return void retryMedia();
    wanted[kind] = !wanted[kind];
    remember('wanted', wanted);
    sendWanted();
    render();
  };
}
button('notice-close').onclick = () => {
  if (!notice) troubleDismissed = true;
  notice = null;
  render();
  button(client.snapshot.phase === 'idle' ? 'find' : 'stop').focus();
};
button('sound').onclick = () => {
  button('sound').hidden = true;
  video('remote').muted = false;
};
document.addEventListener('keydown', ({ key }) => {
  if (key === 'Escape' && leaving !== undefined) button('undo').click();
});

// -- what the client reports ---------------------------------------------------------------------

client.on('change', ({ phase, session, server, local }) => {
  if (!session) stay();
  if (!session && local.screen) void client.stopScreen(); // It was shared with that partner, and with nobody else.
  if (phase === 'idle') farewell = hold = null;
  else if (document.body.dataset.phase === 'idle') notice = null;
  if (server.state === 'refused') notice = refusalWords(server.code);
  render();
});
client.on('partner', () => {
  farewell = hold = notice = null;
  stay();
  render();
});
client.on('left', (left) => {
  farewell = reasonOf(left);
  // Nobody is looked for after a friend.
  if (client.snapshot.aim === 'room') notice = farewellWords(farewell);
  render();
});
client.on('timeout', (timeout) => {
  notice = timeoutWords(timeout);
  render();
});
client.on('error', (error) => {
  if (error.remedy === 'wait' && error.retryAfterMs) hold = { code: error.code, until: Date.now() + error.retryAfterMs };
  else notice = errorWords(error) ?? notice;
  render();
});
client.on('stream', (stream) => {
  showStream(stream);
  render();
});

// -- devices -------------------------------------------------------------------------------------

/** Opens the devices once; a second call while the browser asks waits for the same answer. */
function useMedia(): Promise<void> {
  if (media) return Promise.resolve();
  opening ??= (async () => {
    media = await openMedia(nameOf(client.userId));
    opening = null;
    troubleDismissed = false;
    sendWanted();
    await client.setStream(media.stream);
    render();
  })();
  render();
  return opening;
}

function sendWanted() {
  client.setMicrophone(wanted.microphone);
  client.setCamera(wanted.camera);
}

function hasTrack(kind: 'microphone' | 'camera'): boolean {
  const wantedKind = kind === 'camera' ? 'video' : 'audio';
  return Boolean(media?.stream.getTracks().some((track) => track.kind === wantedKind));
}

async function retryMedia() {
  media?.close();
  media = null;
  await useMedia();
}

function stay() {
  clearTimeout(leaving);
  leaving = undefined;
}

// -- the screen ----------------------------------------------------------------------------------

function render() {
  const { snapshot } = client;
  if (hold && hold.until <= Date.now()) hold = null;
  const partnerName = snapshot.session ? nameOf(snapshot.session.partnerId) : '';
  const situation = {
    snapshot,
    partnerName,
    hasPicture: Boolean(client.remoteStream?.getVideoTracks().length),
    leaving: leaving !== undefined,
    farewell,
    hold,
    last: snapshot.session ? companion.before : companion.last,
  };
  const scene = sceneOf(situation);
  const focused = document.activeElement;

  document.body.dataset.phase = snapshot.phase;
  showScene(scene, situation);
  showSelf(own());
  showCode(scene.name === 'looking' ? (snapshot.room?.code ?? null) : null);
  showChat(snapshot);
  companion.show(snapshot);
  showActions();
  showNotice(notice ?? (troubleDismissed || !['lobby', 'looking'].includes(scene.name) ? null : trouble()));
  write(element('stat-state'), snapshot.phase);
  keepFocus(focused);
}

function own(): Own {
  return {
    stream: media?.stream ?? null,
    asking: opening !== null,
    trouble: media && (media.camera === 'insecure' || !hasTrack('camera')) ? media.camera : null,
    camera: hasTrack('camera') && wanted.camera,
    microphone: hasTrack('microphone') && wanted.microphone,
    screen: client.snapshot.local.screen,
  };
}

function trouble(): string | null {
  if (!media) return null;
  const { camera, microphone } = media;
  if (camera === 'insecure') return troubleWords(media);
  // One may have been chosen in the menu since.
  return troubleWords({ camera: hasTrack('camera') ? null : camera, microphone: hasTrack('microphone') ? null : microphone });
}

/** The buttons that make sense now, and what the toggles would do. */
function showActions() {
  const { phase, session, aim } = client.snapshot;
  const { title, text, go } = welcome(invitation());
  write(element('welcome-title'), title);
  write(element('welcome-text'), text);
  write(button('find'), go);
  button('find').hidden = phase !== 'idle';
  button('stop').hidden = phase === 'idle';
  button('next').hidden = !session || aim === 'room';
  button('next').disabled = leaving !== undefined;
  // Before the browser was asked, the toggles say what will be; after it said no, they ask again.
  const microphone = wanted.microphone && (!media || hasTrack('microphone'));
  const camera = wanted.camera && (!media || hasTrack('camera'));
  showToggle('microphone', microphone, microphone ? 'Mute microphone' : 'Unmute microphone');
  showToggle('camera', camera, camera ? 'Turn camera off' : 'Turn camera on');
}

function showToggle(id: 'microphone' | 'camera', on: boolean, action: string) {
  const toggle = button(id);
  toggle.classList.toggle('off', !on);
  label(toggle, action);
  icon(toggle, on ? id : `${id}-off`);
}

function showNotice(text: string | null) {
  write(element('notice-text'), text ?? '');
  element('notice').hidden = !text;
}

/** The keyboard's focus follows when its button goes. */
function keepFocus(focused: Element | null) {
  const gone = focused instanceof HTMLButtonElement && (focused.disabled || !focused.checkVisibility());
  if (!gone) return;
  const ids = leaving !== undefined ? ['undo'] : ['find', 'next', 'stop'];
  ids.map(button).find((candidate) => candidate.checkVisibility() && !candidate.disabled)?.focus();
}

// -- the start -----------------------------------------------------------------------------------

prepareSettings(client, () => media, render);
prepareRooms(client, (go) => void enter(go));
prepareChat(client);
window.onhashchange = render;
watchConnection(client);
video('remote').onresize = window.onresize = render; // How much of the picture fits.
setInterval(render, 1000); // For the timer and what counts down.
const resumed = client.resume();
showStream(client.remoteStream);
render();
if (resumed || (await mayOpenUnasked())) await useMedia();
