/** Camera and microphone, or why there is none, in words. */
import { testSound, testPicture } from './test-picture.js';

/** Why a device cannot be used. `insecure`: the browser gives none to a page opened over plain HTTP. */
export type Trouble = 'denied' | 'missing' | 'busy' | 'insecure';

export interface Media {
  /** What there is of the two; empty if there is neither. */
  readonly stream: MediaStream;
  readonly camera: Trouble | null;
  readonly microphone: Trouble | null;
  /** Ends every track: the camera's light goes out. */
  close(): void;
}

type Kind = 'camera' | 'microphone';

const VIDEO: MediaTrackConstraints = { width: { ideal: 1280 }, height: { ideal: 720 }, facingMode: 'user' };

/** Asks for both devices, then for each alone: a desktop often has a microphone and no camera. Never fails. */
export async function openMedia(name: string): Promise<Media> {
  if (!navigator.mediaDevices) return testMedia(name);
  const both = await ask({ video: VIDEO, audio: true });
  if (both instanceof MediaStream) return media(both, null, null);
  // Who has just said no is not asked the same again; only what was granted before is tried.
  const camera = await alone('camera', { video: VIDEO }, both);
  const microphone = await alone('microphone', { audio: true }, both);
  const tracks = [camera, microphone].flatMap((got) => (got instanceof MediaStream ? got.getTracks() : []));
  return media(new MediaStream(tracks), troubleOf(camera), troubleOf(microphone));
}

/** Whether `openMedia` would show no prompt. */
export async function mayOpenUnasked(): Promise<boolean> {
  if (!navigator.mediaDevices) return true;
  const states = await Promise.all((['camera', 'microphone'] as const).map(permission));
  return states.every((state) => state === 'granted');
}

/** What is wrong, what the partner gets instead, and what helps. Null if nothing is wrong. */
export function troubleWords({ camera, microphone }: Pick<Media, 'camera' | 'microphone'>): string | null {
  if (camera === 'insecure')
    return 'A browser gives no camera to a page opened over plain http. Your partner sees a moving test picture; over https, or on localhost, the camera works.';
  if (!camera && !microphone) return null;
  const what = camera && microphone ? 'camera and microphone' : camera ? 'camera' : 'microphone';
  const instead = !camera
    ? 'Your partner sees you, but cannot hear you.'
    : !microphone
      ? 'Your partner hears you and sees your name.'
      : 'You can still watch and listen.';
  const are = camera && microphone ? 'are' : 'is';
  switch (camera ?? microphone) {
    case 'denied':
      return `Your ${what} ${are} blocked. ${instead} To change that, allow ${camera && microphone ? 'them' : 'it'} beside the page’s address.`;
    case 'busy':
      return `Your ${what} ${are} in use by another program. ${instead}`;
    default:
      return `No ${camera && microphone ? 'camera and no microphone' : what} was found. ${instead}`;
  }
}

/** Cameras, or microphones, that can be chosen between. Without permission browsers give them no names. */
export async function devices(kind: 'videoinput' | 'audioinput'): Promise<MediaDeviceInfo[]> {
  const all = (await navigator.mediaDevices?.enumerateDevices()) ?? [];
  return all.filter((device) => device.kind === kind && device.deviceId);
}

export const canShareScreen = () => Boolean(navigator.mediaDevices?.getDisplayMedia);

async function ask(wish: MediaStreamConstraints): Promise<MediaStream | Trouble> {
  try {
    return await navigator.mediaDevices.getUserMedia(wish);
  } catch (error) {
    switch ((error as DOMException).name) {
      case 'NotAllowedError':
      case 'SecurityError':
        return 'denied';
      case 'NotReadableError':
      case 'AbortError':
        return 'busy';
      default:
        return 'missing';
    }
  }
}

async function alone(kind: Kind, wish: MediaStreamConstraints, before: Trouble): Promise<MediaStream | Trouble> {
  if (before === 'denied' && (await permission(kind)) !== 'granted') return 'denied';
  return ask(wish);
}

async function permission(kind: Kind): Promise<PermissionState> {
  try {
    return (await navigator.permissions.query({ name: kind as PermissionName })).state;
  } catch {
    return 'prompt'; // Older browsers have no such name.
  }
}

function troubleOf(got: MediaStream | Trouble): Trouble | null {
  return got instanceof MediaStream ? null : got;
}

function media(stream: MediaStream, camera: Trouble | null, microphone: Trouble | null): Media {
  return { stream, camera, microphone, close: () => stream.getTracks().forEach((track) => track.stop()) };
}

/** So that the call can be tried where there is no camera to be had: a phone that opens a laptop's page by its address. */
function testMedia(name: string): Media {
  const sources = [testPicture(name), testSound(name)];
  const stream = new MediaStream(sources.map(({ track }) => track));
  const close = () => sources.forEach((source) => source.close());
  return { stream, camera: 'insecure', microphone: 'insecure', close };
}
