import type { Local } from './types.js';

type Kind = 'audio' | 'video';
const KINDS: readonly Kind[] = ['audio', 'video'];

/** What is sent: one track for each kind, whichever source it comes from. */
export class LocalMedia {
  #stream: MediaStream | null;
  #screen: MediaStreamTrack | null = null;
  readonly #on: Record<Kind, boolean> = { audio: true, video: true };
  /** Puts a track in the place of the one sent; null sends nothing. */
  readonly #replace: (kind: Kind, track: MediaStreamTrack | null) => Promise<void>;
  readonly #changed: () => void;

  constructor(
    stream: MediaStream | null,
    replace: (kind: Kind, track: MediaStreamTrack | null) => Promise<void>,
    changed: () => void,
  ) {
    this.#stream = stream;
    this.#replace = replace;
    this.#changed = changed;
  }

  get local(): Local {
    return {
      microphone: this.#on.audio && this.#source('audio') !== null,
      camera: this.#on.video && this.#source('video') !== null,
      screen: this.#screen !== null,
    };
  }

  /** What is sent of this kind. */
  track(kind: Kind): MediaStreamTrack | null {
    return (kind === 'video' && this.#screen) || this.#source(kind);
  }

  async setStream(stream: MediaStream | null): Promise<void> {
    this.#stream = stream;
    await this.#send();
  }

  async useDevice(device: 'audioinput' | 'videoinput', deviceId: string): Promise<void> {
    const kind = device === 'audioinput' ? 'audio' : 'video';
    const open = (): Promise<MediaStream> =>
      navigator.mediaDevices.getUserMedia({ [kind]: { deviceId: { exact: deviceId } } });
    const old = this.#source(kind);
    const opened = await open().catch((error: unknown) => {
      // A phone opens one camera at a time.
      if ((error as DOMException).name !== 'NotReadableError' || !old) throw error;
      old.stop();
      return open();
    });
    const [track] = opened.getTracks();
    if (!track) throw new Error(`no ${kind} from ${deviceId}`);
    // In the same stream, so that a self-view shows it without being told.
    this.#stream ??= new MediaStream();
    const replaced = this.#source(kind);
    if (replaced) this.#stream.removeTrack(replaced);
    this.#stream.addTrack(track);
    await this.#send();
    replaced?.stop();
  }

  async shareScreen(): Promise<void> {
    const shared = await navigator.mediaDevices.getDisplayMedia({ video: true });
    const [track] = shared.getVideoTracks();
    if (!track) return;
    this.#screen?.stop();
    this.#screen = track;
    // The browser has a button of its own for this.
    track.onended = () => track === this.#screen && void this.stopScreen();
    await this.#send();
  }

  async stopScreen(): Promise<void> {
    this.#screen?.stop();
    this.#screen = null;
    await this.#send();
  }

  mute(kind: Kind, on: boolean): void {
    this.#on[kind] = on;
    this.#applyMutes();
    this.#changed();
  }

  #source(kind: Kind): MediaStreamTrack | null {
    return this.#stream?.getTracks().find((track) => track.kind === kind) ?? null;
  }

  #applyMutes(): void {
    for (const kind of KINDS) {
      for (const track of this.#stream?.getTracks() ?? []) if (track.kind === kind) track.enabled = this.#on[kind];
    }
  }

  async #send(): Promise<void> {
    this.#applyMutes();
    this.#changed();
    await Promise.all(KINDS.map((kind) => this.#replace(kind, this.track(kind))));
  }
}
