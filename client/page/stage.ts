/** The stage: the partner's picture, one's own, and the words over or beside them. */
import { button, canvas, element, icon, video, write } from './dom.js';
import type { Trouble } from './media.js';
import { hueOf } from './names.js';
import { type Scene, type Situation, type Words, duration } from './words.js';

/** What this side sends. */
export interface Own {
  readonly stream: MediaStream | null;
  /** The browser has not answered yet: it may be asking. */
  readonly asking: boolean;
  readonly trouble: Trouble | null;
  readonly camera: boolean;
  readonly microphone: boolean;
  readonly screen: boolean;
}

const TROUBLES: Record<Trouble, string> = {
  denied: 'Your camera is blocked',
  busy: 'Your camera is in use',
  missing: 'No camera found',
  insecure: 'Your test picture is off',
};
/** More of a picture than this is never cut off to fill the stage; what is beside it is filled with its colours. */
const MOST_CUT_OFF = 0.5;
const BACKDROP_EVERY_MS = 200;

export function showScene(scene: Scene, situation: Situation) {
  const { words, banner } = scene;
  document.body.dataset.scene = scene.name;
  document.body.toggleAttribute('data-no-picture', scene.name === 'call' && words !== null);
  element('lobby').hidden = scene.name !== 'lobby';
  element('veil').hidden = !words;
  button('undo').hidden = scene.name !== 'leaving';
  say(words, 'title', 'text', 'counter');
  element('banner').hidden = !banner;
  say(banner, null, 'banner-text', 'banner-counter');
  showPartner(scene, situation);
  // Whoever presses Next wants to be away at once, even if it is undone.
  video('remote').muted = scene.name === 'leaving' || !button('sound').hidden;
  write(element('spoken'), spoken(scene, situation));
}

/** One's own picture, or why there is none. */
export function showSelf({ stream, asking, trouble, camera, microphone, screen }: Own) {
  const local = video('local');
  if (local.srcObject !== stream) local.srcObject = stream;
  local.hidden = !camera;
  local.classList.toggle('mirrored', trouble !== 'insecure');
  element('no-picture').hidden = camera;
  icon(element('no-picture'), stream ? 'camera-off' : 'person');
  const missing = asking ? 'Your browser asks for your camera' : 'Here you will see yourself';
  write(element('no-picture-text'), trouble ? TROUBLES[trouble] : stream ? 'Your camera is off' : missing);
  const start = button('start-camera');
  start.hidden = asking || (Boolean(stream) && (!trouble || trouble === 'insecure'));
  write(start, stream ? 'Try again' : 'Turn on camera');
  element('own-caption').hidden = !stream;
  write(element('own-name'), screen ? 'You share your screen' : 'You');
  element('own-muted').hidden = microphone || !stream;
}

/** Plays what the partner sends; null: nothing. */
export function showStream(stream: MediaStream | null) {
  const remote = video('remote');
  if (remote.srcObject === stream) return;
  remote.srcObject = stream;
  button('sound').hidden = true;
  // Without a recent click a browser may refuse sound; the picture comes anyway.
  if (stream)
    remote.play().catch((error) => {
      if (error.name !== 'NotAllowedError') return;
      button('sound').hidden = false;
      remote.muted = true;
      void remote.play();
    });
}

/** A page that was put to sleep has its pictures paused, and is not asked whether they should go on. */
export function wakePictures() {
  for (const id of ['remote', 'local']) {
    const picture = video(id);
    if (picture.srcObject && picture.paused) picture.play().catch(() => {});
  }
}

function showPartner({ name, words }: Scene, { snapshot, partnerName }: Situation) {
  const { session, partner } = snapshot;
  const inCall = session !== null && (name === 'call' || name === 'interrupted');
  element('partner').hidden = !inCall;
  document.title = inCall ? `${partnerName} – hairpin` : 'hairpin';
  if (!session) return;
  write(element('partner-name'), partnerName);
  element('partner-muted').hidden = partner?.microphone !== false;
  element('partner-screen').hidden = !partner?.screen;
  element('timer').hidden = session.connectedAt === null;
  write(element('timer'), duration(Date.now() - (session.connectedAt ?? Date.now())));
  element('avatar').style.setProperty('--hue', String(hueOf(session.partnerId)));
  icon(element('avatar'), name === 'call' && words ? 'camera-off' : 'person');
  video('remote').setAttribute('aria-label', `${partner?.screen ? 'Screen' : 'Picture'} of ${partnerName}`);
  video('remote').classList.toggle('whole', Boolean(partner?.screen) || cutOff(video('remote')) > MOST_CUT_OFF);
}

function say(words: Words | null, title: string | null, text: string, counter: string) {
  if (!words) return; // What fades away keeps its words.
  if (title) write(element(title), words.title);
  write(element(text), words.text);
  const { until } = words;
  write(element(counter), until === undefined ? '' : (words.counter?.(Math.max(0, Math.ceil((until - Date.now()) / 1000))) ?? ''));
}

/** For ears, without what counts down. */
function spoken({ name, words, banner }: Scene, { snapshot: { partner }, partnerName }: Situation): string {
  if (name === 'lobby') return '';
  if (name !== 'call') return words ? `${words.title}${/\p{L}$/u.test(words.title) ? '.' : ''} ${words.text}` : '';
  return [
    `In a call with ${partnerName}.`,
    partner?.microphone === false && 'Their microphone is off.',
    partner?.camera === false && 'Their camera is off.',
    partner?.screen && 'They share their screen.',
    banner?.text,
  ]
    .filter(Boolean)
    .join(' ');
}

/** The part of the picture that would not be seen if it filled the stage, 0 to 1. */
function cutOff({ videoWidth, videoHeight, clientWidth, clientHeight }: HTMLVideoElement): number {
  if (!videoWidth || !clientHeight) return 0;
  const ratio = videoWidth / videoHeight / (clientWidth / clientHeight);
  return 1 - Math.min(ratio, 1 / ratio);
}

/** A few pixels of the picture, which the style sheet makes large and soft. */
function paintBackdrop() {
  const remote = video('remote');
  if (document.hidden || !remote.classList.contains('whole') || remote.readyState < remote.HAVE_CURRENT_DATA) return;
  const small = canvas('backdrop');
  small.getContext('2d')?.drawImage(remote, 0, 0, small.width, small.height);
}
video('remote').addEventListener('loadeddata', paintBackdrop);
setInterval(paintBackdrop, BACKDROP_EVERY_MS);
