// A client of the wire before `hello`, as an application may have written it for itself: no extras, bare `skip`, one shape of signal.
import { synthetic } from './room.js';

export type OldShape = 'nested' | 'typed' | 'flat';

export class OldClient {
  readonly #socket: WebSocket;
  readonly #shape: OldShape;
  #stream = synthetic('audio video');
  #early: RTCIceCandidateInit[] = [];
  pc: RTCPeerConnection | null = null;
  sessions = 0;
  waits = false;
  /** What it could not understand. */
  readonly odd: unknown[] = [];
  left: string[] = [];

  constructor(path: string, userId: string, shape: OldShape) {
    this.#shape = shape;
    this.#socket = new WebSocket(new URL(path, location.href.replace('http', 'ws')));
    this.#socket.onopen = () => this.#send('join_queue', { userId });
    let last = Promise.resolve();
    this.#socket.onmessage = ({ data }) => {
      const { type, payload } = JSON.parse(data);
      last = last.then(() => this.#heard(type, payload)).catch((error) => void this.odd.push(String(error)));
    };
  }

  skip(): void {
    this.#socket.send('{"type":"skip"}');
    this.pc?.close();
  }

  async framesDecoded(): Promise<number> {
    let frames = 0;
    (await this.pc?.getStats())?.forEach((entry) => (frames += entry.framesDecoded ?? 0));
    return frames;
  }

  #send(type: string, data: object): void {
    this.#socket.send(JSON.stringify({ type, data }));
  }

  #signal(signal: object): void {
    this.#send('signal', { signal });
  }

  async #heard(type: string, payload: any): Promise<void> {
    if (type === 'match_found') return this.#meet(payload);
    if (type === 'signal') return this.#apply(payload.signal);
    if (type === 'partner_left') this.left.push(payload.reason);
    else if (type === 'queued') this.waits = true;
    else this.odd.push([type, payload]);
  }

  #meet({ isInitiator, iceServers }: any): void {
    this.sessions += 1;
    this.#early = [];
    const pc = (this.pc = new RTCPeerConnection({ iceServers }));
    pc.onicecandidate = ({ candidate }) => {
      if (this.#shape === 'flat') this.#signal(candidate?.toJSON() ?? { candidate: '' });
      else if (this.#shape === 'typed') this.#signal({ type: 'candidate', candidate });
      else this.#signal({ candidate });
    };
    if (isInitiator) pc.onnegotiationneeded = () => void this.#describe(pc);
    for (const track of this.#stream.getTracks()) pc.addTrack(track, this.#stream);
  }

  async #describe(pc: RTCPeerConnection): Promise<void> {
    await pc.setLocalDescription();
    const { type, sdp } = pc.localDescription as RTCSessionDescription;
    this.#signal(this.#shape === 'nested' ? { description: { type, sdp } } : { type, sdp });
  }

  /** It understands its own shape alone. */
  async #apply(signal: any): Promise<void> {
    const pc = this.pc as RTCPeerConnection;
    const description = this.#shape === 'nested' ? signal.description : signal.sdp && { type: signal.type, sdp: signal.sdp };
    if (description) {
      await pc.setRemoteDescription(description);
      for (const candidate of this.#early.splice(0)) await pc.addIceCandidate(candidate);
      if (description.type === 'offer') await this.#describe(pc);
      return;
    }
    const candidate = this.#shape === 'flat' && typeof signal.candidate === 'string' ? signal : signal.candidate;
    if (!candidate) return void this.odd.push(signal);
    if (pc.remoteDescription) await pc.addIceCandidate(candidate);
    else this.#early.push(candidate);
  }
}
