import { Emitter } from './emitter.js';
import { LocalMedia } from './media.js';
import { Memory, newUserId } from './memory.js';
import { Search } from './search.js';
import { LiveSession } from './session.js';
import { Signaling } from './signaling/signaling.js';
import { callStats } from './stats.js';
import type { CallStats } from './stats.js';
import type { Events, LeftReason, Options, ServerLink, Snapshot } from './types.js';
import type { Match, SeatMessage, ServerError } from './wire.js';

/** Finds partners and keeps the call with each alive. */
export class HairpinClient {
  readonly #url: URL;
  readonly #options: Options;
  readonly #memory: Memory;
  readonly #emitter = new Emitter<Events>();
  readonly #media: LocalMedia;
  readonly #search = new Search((request) => this.#signaling?.send(request));
  readonly #matchMode: string;
  #userId: string;
  #relayOnly: boolean;

  #signaling: Signaling | null = null;
  #link: ServerLink = { state: 'closed' };
  /** A partner is wanted, or the one there is. */
  #wanted = false;
  #queue: { position: number } | null = null;
  #session: LiveSession | null = null;
  #remoteStream: MediaStream | null = null;
  /** The server has begun anew, and did not tell yet what is the case. */
  #untold = false;
  #stats: CallStats | null = null;
  #snapshot: Snapshot;

  /** Does nothing yet: no connection, no listeners, nothing stored. */
  constructor(options: Options = {}) {
    this.#options = options;
    this.#url = folder(options.url);
    this.#memory = new Memory(options.storage, this.#url);
    const { userId, matchMode } = this.#memory.remembered;
    this.#userId = options.userId ?? userId ?? newUserId();
    this.#matchMode = options.matchMode ?? matchMode ?? 'default';
    this.#relayOnly = options.relayOnly ?? false;
    this.#media = new LocalMedia(
      options.stream ?? null,
      async (kind, track) => this.#session?.call.send(kind, track),
      () => this.#update(),
    );
    this.#snapshot = this.#look();
  }

  get userId(): string {
    return this.#userId;
  }
  get snapshot(): Snapshot {
    return this.#snapshot;
  }
  get remoteStream(): MediaStream | null {
    return this.#remoteStream;
  }
  get peerConnection(): RTCPeerConnection | null {
    return this.#session?.call.pc ?? null;
  }

  /** Returns how to stop listening. */
  on<K extends keyof Events>(type: K, handler: (detail: Events[K]) => void): () => void {
    return this.#emitter.on(type, handler);
  }

  // -- what a person does ------------------------------------------------------------------------

  /** Looks for a partner until `stop()`, also after a partner left or the network failed. */
  find(): void {
    this.#wanted = true;
    if (!this.#signaling) this.#connect();
    this.#update();
  }

  /** Leaves this partner for the next. */
  next(): void {
    const session = this.#session;
    if (!session) return;
    this.#hangUp();
    if (session.known) this.#search.skip(session.id);
    else this.#lookForPartner();
    this.#update();
  }

  /** Hangs up and leaves. */
  stop(): void {
    const session = this.#session;
    this.#hangUp();
    if (session?.known) this.#signaling?.send({ type: 'end_session', data: { sessionId: session.id } });
    this.#signaling?.close();
    this.#rest();
  }

  /** For a page at its start. True: it was reloaded, and there is a seat to come back to. */
  resume(): boolean {
    if (!this.#memory.remembered.seat || this.#signaling) return false;
    this.find();
    return true;
  }

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
    this.#relayOnly = relayOnly;
    if (this.#session) this.#session.call.relayOnly = relayOnly;
  }

  /** To the partner's `message` event, by the call itself. False: there is no way for it now. */
  send(data: string | ArrayBuffer): boolean {
    return this.#session?.call.say(data) ?? false;
  }

  /** Null until there is a path. */
  async stats(): Promise<CallStats | null> {
    const pc = this.peerConnection;
    const stats = pc && (await callStats(pc, this.#stats));
    if (pc !== this.peerConnection) return null;
    return (this.#stats = stats);
  }

  // -- the server --------------------------------------------------------------------------------

  #connect(): void {
    const { seat = null, pairToken } = this.#memory.remembered;
    this.#memory.remember({ userId: this.#userId, matchMode: this.#matchMode });
    const url = new URL('ws', this.#url);
    url.protocol = url.protocol.replace('http', 'ws');
    this.#signaling = new Signaling(url, this.#userId, seat, this.#options.webSocket ?? WebSocket, {
      link: (link) => this.#linked(link),
      message: (message) => this.#receive(message),
      restarted: () => {
        this.#queue = null;
        this.#untold = true;
      },
      settled: () => this.#settled(),
      seat: (seat) => this.#memory.remember({ seat }),
      moved: () => this.#session?.call.moved(),
    });
    this.#signaling.pairToken = pairToken ?? null;
    this.#signaling.connect();
  }

  #linked(link: ServerLink): void {
    this.#link = link;
    if (link.state === 'refused') {
      if (link.code === 'replaced') {
        // Another tab is this user now. If we are asked to go on, it is as somebody else.
        this.#hangUp();
        if (!this.#options.userId) this.#userId = newUserId();
      }
      this.#session?.forgotten();
      this.#rest();
    }
    this.#update();
  }

  /** Nothing is wanted of the server any more. */
  #rest(): void {
    this.#signaling = null;
    this.#wanted = this.#untold = false;
    this.#queue = null;
    this.#search.end();
    this.#memory.leave();
    this.#update();
  }

  /** All is told. What the server did not speak of does not exist for it. */
  #settled(): void {
    const untold = this.#untold;
    this.#untold = false;
    if (!untold) return;
    if (this.#session?.known) this.#forgotten('disconnected');
    else this.#lookForPartner();
    this.#update();
  }

  #receive(message: SeatMessage): void {
    switch (message.type) {
      case 'queued':
        this.#untold = false;
        this.#queue = { position: message.payload.position };
        this.#memory.remember({ placeToken: message.payload.placeToken });
        break;
      case 'match_found':
        this.#untold = false;
        this.#meet(message.payload, { calls: 0, connectedAt: null });
        break;
      case 'rejoined':
        this.#untold = false;
        this.#rejoin(message.payload);
        break;
      case 'ice_servers':
        this.#session?.renewed(message.payload);
        break;
      case 'queue_timeout':
        this.#signaling?.close();
        this.#rest();
        this.#emitter.emit('timeout', null);
        break;
      case 'error':
        this.#refused(message.payload);
        break;
      case 'signal':
      case 'partner_away':
      case 'partner_back':
      case 'partner_left':
        if (this.#session?.id === message.payload.sessionId) this.#ofSession(this.#session, message);
    }
    this.#update();
  }

  #ofSession(
    session: LiveSession,
    message: Extract<SeatMessage, { type: 'signal' | 'partner_away' | 'partner_back' | 'partner_left' }>,
  ): void {
    if (message.type === 'signal') session.call.receive(message.payload.signal);
    else if (message.type === 'partner_left') this.#partnerLeft(message.payload.reason as LeftReason);
    else session.partnerAway = message.type === 'partner_away';
  }

  #refused(error: ServerError): void {
    const { code, temporary, retryAfterMs, message } = error;
    // Candidates that cross a `partner_left`.
    if (code === 'no_session') return;
    if (!this.#session) this.#search.refused(error);
    this.#emitter.emit('error', { code, temporary, message, ...(retryAfterMs === undefined ? {} : { retryAfterMs }) });
  }

  /** Asks for a partner, if one is wanted and the server can be asked. */
  #lookForPartner(): void {
    if (!this.#wanted || this.#session || !this.#signaling?.settled) return;
    const { placeToken } = this.#memory.remembered;
    const data = { userId: this.#userId, matchMode: this.#matchMode };
    this.#search.join(placeToken ? { ...data, placeToken } : data);
  }

  // -- the session -------------------------------------------------------------------------------

  #meet(match: Match, before: { calls: number; connectedAt: number | null }): void {
    this.#hangUp();
    this.#search.end();
    this.#queue = null;
    this.#keepPairToken(match);
    this.#session = new LiveSession(
      {
        match,
        callsBefore: before.calls,
        connectedAt: before.connectedAt,
        relayOnly: this.#relayOnly,
        local: this.#media.local,
        peerConnection: this.#options.peerConnection ?? RTCPeerConnection,
        iceUrl: this.#signaling?.oldWire ? new URL('v1/ice', this.#url) : null,
      },
      {
        signal: (data) => this.#signaling?.send({ type: 'signal', data }),
        changed: () => this.#update(),
        stream: (stream) => this.#show(stream),
        message: (data) => this.#emitter.emit('message', data),
        silent: () => this.#signaling?.probe(),
        noPath: () => this.#noPath(),
        requestIceServers: () => this.#signaling?.requestIceServers(),
        track: (kind) => this.#media.track(kind),
      },
    );
    this.#emitter.emit('partner', this.#session.describe());
  }

  /** The server says that we are in this session. */
  #rejoin(match: Match): void {
    const { sessionId, partnerProtocol } = match;
    if (this.#session?.id === sessionId) {
      this.#keepPairToken(match);
      this.#session.rejoined(match);
    } else if (this.#search.isLeaving(sessionId) || !partnerProtocol) {
      // A partner of the old wire understands no second connection.
      this.#search.skip(sessionId);
    } else {
      const { session } = this.#memory.remembered;
      this.#meet(match, session?.id === sessionId ? session : { calls: 1, connectedAt: null });
    }
  }

  #partnerLeft(reason: LeftReason): void {
    // It is the connection to the server that the partner has lost, or the server that has lost both.
    if (reason === 'disconnected' || reason === 'shutdown' || this.#untold) this.#forgotten(reason);
    else this.#leave(reason);
  }

  /** The server knows the session no more. Media that flows goes on. */
  #forgotten(reason: LeftReason): void {
    if (!this.#session?.call.connected) return this.#leave(reason);
    this.#session.forgotten();
    // If nobody has ended it, it may be put together again: who was away for too long comes back, or we do.
    if (reason === 'ended') this.#keepPairToken({});
  }

  /** The call is over, and not by our wish. */
  #leave(reason: LeftReason): void {
    this.#hangUp();
    this.#emitter.emit('left', { reason });
    this.#lookForPartner();
  }

  #noPath(): void {
    if (this.#session?.known) {
      this.#emitter.emit('left', { reason: 'no_path' });
      this.next();
    } else {
      this.#leave('disconnected');
      this.#update();
    }
  }

  #hangUp(): void {
    this.#session?.call.close();
    this.#session = this.#stats = null;
    this.#keepPairToken({});
    this.#show(null);
  }

  #show(stream: MediaStream | null): void {
    if (stream === this.#remoteStream) return;
    this.#remoteStream = stream;
    this.#emitter.emit('stream', stream);
  }

  #keepPairToken({ pairToken }: { pairToken?: string }): void {
    if (this.#signaling) this.#signaling.pairToken = pairToken ?? null;
    this.#memory.remember({ pairToken });
  }

  // -- what is the case --------------------------------------------------------------------------

  #update(): void {
    this.#session?.update(this.#link.state === 'open', this.#media.local);
    const next = this.#look();
    if (this.#signaling) this.#signaling.pace = next.phase === 'idle' || next.phase === 'connected' ? 'idle' : 'setup';
    if (this.#session) {
      const { number: calls, connectedAt } = this.#session.call;
      this.#memory.remember({ session: { id: this.#session.id, calls, connectedAt } });
    }
    if (JSON.stringify(next) === JSON.stringify(this.#snapshot)) return;
    this.#snapshot = next;
    this.#emitter.emit('change', next);
  }

  #look(): Snapshot {
    return {
      phase: this.#session?.phase ?? (this.#wanted ? 'looking' : 'idle'),
      server: this.#link,
      queue: this.#queue,
      session: this.#session?.describe() ?? null,
      partner: this.#session?.partner ?? null,
      local: this.#media.local,
    };
  }
}

/** The folder that `ws` lies in. */
function folder(url: string | URL | undefined): URL {
  return new URL(url ?? '.', typeof document === 'undefined' || url === undefined ? import.meta.url : document.baseURI);
}
