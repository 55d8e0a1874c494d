import { Blocks } from './blocks.js';
import { Emitter } from './emitter.js';
import { LocalMedia } from './media.js';
import { Memory } from './memory.js';
import { callStats } from './stats.js';
import type { CallStats } from './stats.js';
import type { ChatMessage, Events, Options, Snapshot, Wishes } from './types.js';
import { Visit } from './visit.js';

/** In bytes, as the server has it. */
const LONGEST_MESSAGE = 4000;
const NO_CHAT: readonly ChatMessage[] = [];

/** Finds partners and keeps the call with each alive. */
export class HairpinClient {
  readonly #blocks: Blocks;
  readonly #emitter = new Emitter<Events>();
  readonly #media: LocalMedia;
  readonly #visit: Visit;
  #relayOnly: boolean;
  #stats: CallStats | null = null;
  #snapshot: Snapshot;

  /** Does nothing yet: no connection, no listeners, nothing stored. */
  constructor(options: Options = {}) {
    const url = folder(options.url);
    this.#relayOnly = options.relayOnly ?? false;
    const changed = (): void => this.#update();
    this.#blocks = new Blocks(options.blockStorage, url);
    this.#media = new LocalMedia(
      options.stream ?? null,
      async (kind, track) => this.#visit.session?.call.send(kind, track),
      changed,
    );
    this.#visit = new Visit({
      ...{ url, options, changed },
      ...{ memory: new Memory(options.storage, url), blocks: this.#blocks, media: this.#media, emitter: this.#emitter },
    });
    this.#snapshot = this.#look();
  }

  /** Who we are to the server, unless a token says it. */
  get userId(): string {
    return this.#visit.userId;
  }
  get snapshot(): Snapshot {
    return this.#snapshot;
  }
  get remoteStream(): MediaStream | null {
    return this.#visit.remoteStream;
  }
  get peerConnection(): RTCPeerConnection | null {
    return this.#visit.session?.call.pc ?? null;
  }

  /** Returns how to stop listening. */
  on<K extends keyof Events>(type: K, handler: (detail: Events[K]) => void): () => void {
    return this.#emitter.on(type, handler);
  }

  // -- whom to meet ------------------------------------------------------------------------------

  /** Looks for a partner until `stop()`, also after a partner left or the network failed. In a call: for the next one. */
  find(wishes?: Wishes): void {
    this.#visit.find(wishes);
  }
  /** Makes a room and waits there, instead of what there is. Its code is in the snapshot as soon as the server tells it. */
  createRoom(): void {
    this.#visit.room(null);
  }
  /** Meets who waits in the room of that code, instead of whom there is. */
  joinRoom(code: string): void {
    this.#visit.room(code);
  }
  /** Leaves this partner for the next; one from a room for anybody. */
  next(): void {
    this.#visit.next();
  }
  /** Hangs up and leaves. */
  stop(): void {
    this.#visit.stop();
  }
  /** For a page at its start. True: it was reloaded, and there is a seat to come back to. */
  resume(): boolean {
    return this.#visit.resume();
  }

  // -- what to say of, and to, the partner -------------------------------------------------------

  /** Writes to the partner, by the server. False: not possible now, or not of that length. */
  sendMessage(text: string): boolean {
    const { session } = this.#visit;
    const { length } = new TextEncoder().encode(text);
    if (!session?.known || !length || length > LONGEST_MESSAGE) return false;
    const id = this.#visit.say({ type: 'message', data: { sessionId: session.id, text } });
    if (id === undefined) return false;
    session.wrote('us', text, id);
    this.#update();
    return true;
  }

  /** Tells the server about the partner there is, or was last, or had in that session. False: it cannot be told now. */
  report(reason: string, sessionId = this.#visit.session?.id): boolean {
    return this.#visit.say({ type: 'report', data: { ...(sessionId && { sessionId }), reason } }) !== undefined;
  }

  /** Never again: the partner there is, or was last, or that user. One who is there is left at once. */
  block(userId = this.#visit.session?.partnerId): void {
    if (userId !== undefined) this.#blocks.add(userId);
    this.#visit.say({ type: 'block', data: userId === undefined ? {} : { userId } });
    if (userId !== undefined && userId === this.#visit.session?.partnerId) this.#visit.part();
  }

  unblock(userId: string): void {
    this.#blocks.remove(userId);
    this.#visit.say({ type: 'unblock', data: { userId } });
  }

  /** Whom this browser remembers as blocked. */
  get blocked(): readonly string[] {
    return this.#blocks.list;
  }

  /** By the call itself, without the server, to the partner's `message` event. False: there is no way for it now. */
  send(data: string | ArrayBuffer): boolean {
    return this.#visit.session?.call.say(data) ?? false;
  }

  // -- media -------------------------------------------------------------------------------------

  setStream(stream: MediaStream | null): Promise<void> {
    return this.#media.setStream(stream);
  }
  useDevice(kind: 'audioinput' | 'videoinput', deviceId: string): Promise<void> {
    return this.#media.useDevice(kind, deviceId);
  }
  shareScreen(): Promise<void> {
    return this.#media.shareScreen();
  }
  stopScreen(): Promise<void> {
    return this.#media.stopScreen();
  }
  /** Off is muted: the partner is told. */
  setMicrophone(on: boolean): void {
    this.#media.mute('audio', on);
  }
  setCamera(on: boolean): void {
    this.#media.mute('video', on);
  }

  /** Relayed paths only. A running call changes its path. */
  get relayOnly(): boolean {
    return this.#relayOnly;
  }
  set relayOnly(relayOnly: boolean) {
    if (this.#relayOnly === relayOnly) return;
    this.#relayOnly = this.#visit.relayOnly = relayOnly;
  }

  /** Null until there is a path. */
  async stats(): Promise<CallStats | null> {
    const pc = this.peerConnection;
    const stats = pc && (await callStats(pc, this.#stats));
    if (pc !== this.peerConnection) return null;
    return (this.#stats = stats);
  }

  // -- what is the case --------------------------------------------------------------------------

  #update(): void {
    this.#visit.update();
    const next = this.#look();
    if (JSON.stringify(next) === JSON.stringify(this.#snapshot)) return;
    this.#snapshot = next;
    this.#emitter.emit('change', next);
  }

  #look(): Snapshot {
    const { phase, aim, link, queue, waitsIn, session } = this.#visit;
    return {
      phase,
      aim: aim?.kind ?? null,
      server: link,
      queue,
      room: waitsIn,
      session: session?.describe() ?? null,
      partner: session?.partner ?? null,
      local: this.#media.local,
      chat: session?.chat ?? NO_CHAT,
    };
  }
}

/** The folder that `ws` lies in. */
function folder(url: string | URL | undefined): URL {
  return new URL(url ?? '.', typeof document === 'undefined' || url === undefined ? import.meta.url : document.baseURI);
}
