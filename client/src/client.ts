import { Call } from './call/call.js';
import { Emitter } from './emitter.js';
import { LocalMedia } from './media.js';
import { Memory, newUserId } from './memory.js';
import { Signaling } from './signaling/signaling.js';
import { callStats } from './stats.js';
import type { CallStats } from './stats.js';
import type { Events, LeftReason, Options, Partner, Phase, ServerLink, Session, Snapshot } from './types.js';
import type { Match, Request, SeatMessage, ServerError } from './wire.js';

const RENEW_TIMEOUT_MS = 3000;
const UNKNOWN: Partner = { away: false, microphone: null, camera: null, screen: false };

/** Finds partners and keeps the call with each alive. */
export class HairpinClient {
  readonly #url: URL;
  readonly #options: Options;
  readonly #memory: Memory;
  readonly #emitter = new Emitter<Events>();
  readonly #media: LocalMedia;
  #userId: string;
  #relayOnly: boolean;
  #matchMode: string;

  #signaling: Signaling | null = null;
  #link: ServerLink = { state: 'closed' };
  /** A partner is wanted, or the one there is. */
  #wanted = false;
  #queue: { position: number } | null = null;
  /** `known`: the server knows it too, as far as we know. */
  #session: { id: string; partnerId: string; isInitiator: boolean; known: boolean } | null = null;
  #call: Call | null = null;
  #partner: Partner = UNKNOWN;
  #remoteStream: MediaStream | null = null;
  #grant = { at: 0, ttlMs: 0 };
  /** The session that we have left: the server may not have heard of it yet. */
  #leaving: string | null = null;
  /** Asked last, and how often the server lets us. */
  #asked: Request | null = null;
  #askTimer: ReturnType<typeof setTimeout> | undefined;
  /** Between a new beginning of the server's and the moment when all is told: whether anything was. */
  #beginning: { told: boolean } | null = null;
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
      async (kind, track) => this.#call?.send(kind, track),
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
    return this.#call?.pc ?? null;
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
    else if (this.#signaling.settled && !this.#session && !this.#queue) this.#join();
    this.#update();
  }

  /** Leaves this partner for the next. */
  next(): void {
    if (!this.#session) return;
    const { id, known } = this.#session;
    this.#hangUp();
    if (!known) {
      if (this.#signaling?.settled) this.#join();
    } else {
      this.#leaving = id;
      this.#ask({ type: 'skip', data: { sessionId: id } });
    }
    this.#update();
  }

  /** Hangs up and leaves. */
  stop(): void {
    this.#wanted = false;
    clearTimeout(this.#askTimer);
    const session = this.#session;
    this.#hangUp();
    if (session?.known) this.#signaling?.send({ type: 'end_session', data: { sessionId: session.id } });
    else if (this.#queue) this.#signaling?.send({ type: 'leave_queue', data: {} });
    this.#disconnect();
  }

  /** For a page at its start. True: it was reloaded, and there is a seat to come back to. */
  resume(): boolean {
    const { seat } = this.#memory.remembered;
    if (!seat || this.#signaling) return false;
    this.#wanted = true;
    this.#connect();
    this.#update();
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
    if (this.#call) this.#call.relayOnly = relayOnly;
  }

  /** To the partner's `message` event, by the call itself. False: there is no way for it yet. */
  send(data: string | ArrayBuffer): boolean {
    return this.#call?.say(data) ?? false;
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
      restarted: () => this.#restarted(),
      settled: () => this.#settled(),
      seat: (seat) => this.#memory.remember({ seat }),
      moved: () => this.#call?.moved(),
    });
    this.#signaling.pairToken = pairToken ?? null;
    this.#signaling.connect();
  }

  #disconnect(): void {
    const signaling = this.#signaling;
    this.#signaling = null;
    this.#queue = this.#leaving = this.#asked = this.#beginning = null;
    signaling?.close();
    this.#memory.leave();
    this.#update();
  }

  #linked(link: ServerLink): void {
    this.#link = link;
    if (link.state === 'refused') {
      this.#signaling = null;
      this.#wanted = false;
      this.#queue = null;
      this.#memory.leave();
      if (link.code === 'replaced') {
        // Another tab is this user now. If we are asked to go on, it is as somebody else.
        this.#hangUp();
        if (!this.#options.userId) this.#userId = newUserId();
      } else if (this.#session) {
        this.#session.known = false;
      }
    }
    this.#update();
  }

  #restarted(): void {
    this.#queue = null;
    this.#beginning = { told: false };
  }

  /** All is told. What the server did not speak of does not exist for it. */
  #settled(): void {
    const beginning = this.#beginning;
    this.#beginning = null;
    if (beginning && !beginning.told) {
      if (this.#session?.known) this.#lostSession('disconnected');
      if (this.#wanted && !this.#session) this.#join();
    }
    this.#update();
  }

  #receive(message: SeatMessage): void {
    switch (message.type) {
      case 'queued':
        this.#queue = { position: message.payload.position };
        this.#memory.remember({ placeToken: message.payload.placeToken });
        this.#told();
        break;
      case 'match_found':
        this.#told();
        this.#meet(message.payload, 1, null);
        break;
      case 'rejoined':
        this.#rejoin(message.payload);
        break;
      case 'signal':
        if (this.#concerns(message.payload)) this.#call?.receive(message.payload.signal);
        break;
      case 'partner_away':
      case 'partner_back':
        if (this.#concerns(message.payload))
          this.#partner = { ...this.#partner, away: message.type === 'partner_away' };
        break;
      case 'partner_left':
        if (this.#concerns(message.payload)) this.#partnerLeft(message.payload.reason as LeftReason);
        break;
      case 'queue_timeout':
        this.#wanted = false;
        this.#disconnect();
        this.#emitter.emit('timeout', null);
        break;
      case 'ice_servers':
        this.#granted(message.payload);
        if (this.#call) this.#call.iceServers = message.payload.iceServers;
        break;
      case 'error':
        this.#refused(message.payload);
    }
    this.#update();
  }

  #told(): void {
    if (this.#beginning) this.#beginning.told = true;
  }

  #concerns({ sessionId }: { sessionId: string }): boolean {
    return sessionId === this.#session?.id;
  }

  #join(): void {
    const { placeToken } = this.#memory.remembered;
    const data = { userId: this.#userId, matchMode: this.#matchMode };
    this.#ask({ type: 'join_queue', data: placeToken ? { ...data, placeToken } : data });
  }

  /** Asks for a partner. */
  #ask(request: Request): void {
    clearTimeout(this.#askTimer);
    this.#asked = request;
    this.#signaling?.send(request);
  }

  #refused(error: ServerError): void {
    const { code, temporary, retryAfterMs, message } = error;
    const asked = this.#asked;
    if (temporary && retryAfterMs !== undefined && asked && this.#wanted && !this.#session) {
      clearTimeout(this.#askTimer);
      // A little later, and not everybody behind one address at once.
      this.#askTimer = setTimeout(() => {
        if (asked === this.#asked && !this.#session) this.#ask(asked);
      }, retryAfterMs * (1 + Math.random() / 2));
    }
    // Candidates that cross a `partner_left`.
    if (code === 'no_session') return;
    this.#emitter.emit('error', { code, temporary, message, ...(retryAfterMs === undefined ? {} : { retryAfterMs }) });
  }

  // -- the session -------------------------------------------------------------------------------

  #meet(match: Match, number: number, connectedAt: number | null): void {
    const { sessionId: id, partnerId, isInitiator, partnerProtocol = 0, partnerAway = false } = match;
    this.#hangUp();
    this.#queue = this.#leaving = null;
    clearTimeout(this.#askTimer);
    this.#session = { id, partnerId, isInitiator, known: true };
    this.#partner = { ...UNKNOWN, away: partnerAway };
    this.#granted(match);
    this.#keepPairToken(match);
    this.#call = new Call(
      {
        role: { isInitiator, partnerProtocol },
        iceServers: match.iceServers,
        relayOnly: this.#relayOnly,
        local: this.#media.local,
        peerConnection: this.#options.peerConnection ?? RTCPeerConnection,
        number,
        connectedAt,
      },
      {
        signal: (signal) => this.#signal(signal),
        changed: () => this.#update(),
        stream: (stream) => this.#show(stream),
        told: (told) => {
          this.#partner = { ...this.#partner, ...told };
          this.#update();
        },
        message: (data) => this.#emitter.emit('message', data),
        silent: () => this.#signaling?.probe(),
        noPath: () => this.#noPath(),
        renew: () => this.#renew(),
        track: (kind) => this.#media.track(kind),
      },
    );
    this.#emitter.emit('partner', { id, partnerId, isInitiator, connectedAt });
  }

  /** The server says that we are in this session. */
  #rejoin(match: Match): void {
    this.#told();
    const { sessionId } = match;
    if (this.#call && this.#concerns(match)) {
      this.#partner = { ...this.#partner, away: match.partnerAway ?? false };
      this.#granted(match);
      this.#keepPairToken(match);
      if (this.#session) this.#session.known = true;
      this.#call.iceServers = match.iceServers;
      this.#call.resynchronise();
    } else if (sessionId === this.#leaving || !this.#wanted || !match.partnerProtocol) {
      // Left already; or with a partner who understands no second connection.
      this.#ask({ type: 'skip', data: { sessionId } });
    } else {
      const { session } = this.#memory.remembered;
      const before = session?.id === sessionId ? session : null;
      this.#meet(match, (before?.calls ?? 1) + 1, before?.connectedAt ?? null);
    }
  }

  #partnerLeft(reason: LeftReason): void {
    // It is the connection to the server that the partner has lost, or the server that begins anew.
    const mayGoOn = reason === 'disconnected' || reason === 'shutdown' || (reason === 'ended' && this.#beginning);
    if (mayGoOn) this.#lostSession(reason);
    else this.#leave(reason);
  }

  /** The server knows the session no more. Media that flows goes on. */
  #lostSession(reason: LeftReason): void {
    this.#keepPairToken({});
    if (!this.#call?.connected) return this.#leave(reason);
    if (this.#session) this.#session.known = false;
    this.#partner = { ...this.#partner, away: true };
    this.#told();
  }

  /** The call is over, and not by our wish. */
  #leave(reason: LeftReason): void {
    this.#hangUp();
    this.#emitter.emit('left', { reason });
    if (this.#wanted && !this.#beginning && this.#signaling?.settled) this.#join();
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
    this.#call?.close();
    this.#call = this.#session = this.#stats = null;
    this.#partner = UNKNOWN;
    this.#keepPairToken({});
    if (this.#remoteStream) this.#show(null);
  }

  #show(stream: MediaStream | null): void {
    if (stream === this.#remoteStream) return;
    this.#remoteStream = stream;
    this.#emitter.emit('stream', stream);
  }

  #signal(signal: object): void {
    if (!this.#session?.known) return;
    const { id: sessionId, partnerId: targetUserId } = this.#session;
    this.#signaling?.send({ type: 'signal', data: { sessionId, targetUserId, signal } });
  }

  #keepPairToken({ pairToken }: { pairToken?: string }): void {
    if (this.#signaling) this.#signaling.pairToken = pairToken ?? null;
    if (pairToken !== this.#memory.remembered.pairToken) this.#memory.remember({ pairToken });
  }

  #granted({ iceTtl }: { iceTtl: number }): void {
    this.#grant = { at: Date.now(), ttlMs: iceTtl * 1000 };
  }

  /** The server renews in time by itself, but not for a client that it cannot reach, and not on the old wire. */
  async #renew(): Promise<RTCIceServer[] | null> {
    if (Date.now() - this.#grant.at < this.#grant.ttlMs / 2) return null;
    if (!this.#signaling?.oldWire) {
      this.#signaling?.requestIceServers();
      return null;
    }
    try {
      const answer = await fetch(new URL('v1/ice', this.#url), { signal: AbortSignal.timeout(RENEW_TIMEOUT_MS) });
      return answer.ok ? ((await answer.json()) as { iceServers: RTCIceServer[] }).iceServers : null;
    } catch {
      return null; // The old credentials have to do.
    }
  }

  // -- what is the case --------------------------------------------------------------------------

  #update(): void {
    const call = this.#call;
    if (call) {
      call.local = this.#media.local;
      const reachable = this.#link.state === 'open' && !this.#partner.away;
      call.reach = !this.#session?.known ? 'never' : reachable ? 'now' : 'later';
    }
    const next = this.#look();
    if (this.#signaling) this.#signaling.pace = next.phase === 'idle' || next.phase === 'connected' ? 'idle' : 'setup';
    if (JSON.stringify(next) === JSON.stringify(this.#snapshot)) return;
    this.#snapshot = next;
    this.#rememberSession();
    this.#emitter.emit('change', next);
  }

  #look(): Snapshot {
    return {
      phase: this.#phase(),
      server: this.#link,
      queue: this.#queue,
      session: this.#describe(),
      partner: this.#session && this.#partner,
      local: this.#media.local,
    };
  }

  #phase(): Phase {
    if (!this.#call) return this.#wanted ? 'looking' : 'idle';
    if (this.#call.connected) return 'connected';
    return this.#call.connectedAt === null ? 'pairing' : 'interrupted';
  }

  #describe(): Session | null {
    if (!this.#session) return null;
    const { id, partnerId, isInitiator } = this.#session;
    return { id, partnerId, isInitiator, connectedAt: this.#call?.connectedAt ?? null };
  }

  /** For a reload of the page. */
  #rememberSession(): void {
    const { session, seat } = this.#memory.remembered;
    const now = this.#session && this.#call && seat;
    if (!now && !session) return;
    const { id } = this.#session ?? { id: '' };
    const { number: calls, connectedAt } = this.#call ?? { number: 1, connectedAt: null };
    this.#memory.remember({ session: now ? { id, calls, connectedAt } : undefined });
  }
}

/** The folder that `ws` lies in. */
function folder(url: string | URL | undefined): URL {
  return new URL(url ?? '.', typeof document === 'undefined' || url === undefined ? import.meta.url : document.baseURI);
}
