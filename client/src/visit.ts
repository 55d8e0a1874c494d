import { requestOf } from './aim.js';
import type { Aim } from './aim.js';
import type { Blocks } from './blocks.js';
import type { Emitter } from './emitter.js';
import type { LocalMedia } from './media.js';
import { newUserId } from './memory.js';
import type { Memory } from './memory.js';
import { problemOf } from './problem.js';
import { Search } from './search.js';
import { LiveSession } from './session.js';
import { Signaling } from './signaling/signaling.js';
import { Tokens } from './tokens.js';
import type { Events, LeftReason, Options, Phase, Queue, Room, ServerLink, Wishes } from './types.js';
import type { Match, Request, SeatMessage, ServerError, Waiting } from './wire.js';

/** What a visit shares with the client whose it is. */
export interface VisitParts {
  /** The folder that the server's `ws` lies in. */
  readonly url: URL;
  readonly options: Options;
  readonly memory: Memory;
  readonly blocks: Blocks;
  readonly media: LocalMedia;
  readonly emitter: Emitter<Events>;
  changed(): void;
}

/** Somebody at a server: what is wanted of it, what it has said, and the session with whom it has found. */
export class Visit {
  readonly #parts: VisitParts;
  readonly #tokens: Tokens;
  readonly #search = new Search((request) => this.#signaling?.send(request));
  userId: string;
  #relayOnly: boolean;

  #signaling: Signaling | null = null;
  link: ServerLink = { state: 'closed' };
  /** What is wanted, or was when the session there is began. */
  aim: Aim | null = null;
  /** It is another than the server has heard of. */
  #aimIsNew = true;
  #wishes: Wishes = {};
  queue: Queue | null = null;
  waitsIn: Room | null = null;
  session: LiveSession | null = null;
  remoteStream: MediaStream | null = null;
  /** We have missed a partner, and look again. */
  #missed = false;
  /** The server has begun anew, and did not tell yet what is the case. */
  #untold = false;

  constructor(parts: VisitParts) {
    this.#parts = parts;
    const { userId, token } = parts.options;
    this.userId = userId ?? parts.memory.remembered.userId ?? newUserId();
    this.#relayOnly = parts.options.relayOnly ?? false;
    this.#tokens = new Tokens(token);
  }

  get phase(): Phase {
    return this.session?.phase ?? (this.aim ? 'looking' : 'idle');
  }
  set relayOnly(relayOnly: boolean) {
    this.#relayOnly = relayOnly;
    if (this.session) this.session.call.relayOnly = relayOnly;
  }

  // -- what a person does ------------------------------------------------------------------------

  find(wishes?: Wishes): void {
    this.#wishes = wishes ?? this.#wishes;
    // Already so.
    if (!wishes && this.aim?.kind === 'partner') return;
    this.#want({ kind: 'partner', wishes: this.#wishes });
  }

  /** `code` is null for one's own. */
  room(code: string | null): void {
    this.#endSession();
    this.#want({ kind: 'room', code });
  }

  next(): void {
    const { session } = this;
    if (!session) return;
    this.#hangUp();
    if (this.aim?.kind === 'room') this.#want({ kind: 'partner', wishes: this.#wishes }, session.id);
    else if (session.known && !this.#aimIsNew) this.#search.skip(session.id);
    else this.#ask(session.id);
    this.#parts.changed();
  }

  /** The server is told already that this was the last that the two have seen of each other. */
  part(): void {
    const id = this.session?.id;
    if (this.aim?.kind === 'room') return this.stop();
    this.#hangUp();
    this.#ask(id);
    this.#parts.changed();
  }

  stop(): void {
    this.#endSession();
    this.#leaveServer();
  }

  resume(): boolean {
    const { seat, aim = { kind: 'partner', wishes: {} } } = this.#parts.memory.remembered;
    if (!seat || this.#signaling) return false;
    if (aim.kind === 'partner') this.#wishes = aim.wishes;
    this.#want(aim);
    this.#aimIsNew = false;
    return true;
  }

  /** Beside what is wanted. None: nobody is there to hear it, or one who would not understand. */
  say(request: Request): number | undefined {
    return this.#signaling?.oldWire ? undefined : this.#signaling?.send(request);
  }

  // -- the server --------------------------------------------------------------------------------

  #want(aim: Aim, leaving?: string): void {
    this.aim = aim;
    this.#aimIsNew = true;
    this.queue = this.waitsIn = null;
    this.#parts.memory.remember({ aim });
    if (this.#signaling) this.#ask(leaving);
    else this.#connect();
    this.#parts.changed();
  }

  /** Absent where a token says it, and the application does not. */
  get #toldUserId(): string | undefined {
    return this.#tokens.given ? this.#parts.options.userId : this.userId;
  }

  #connect(): void {
    const { seat = null, pairToken } = this.#parts.memory.remembered;
    this.#parts.memory.remember({ userId: this.userId });
    const url = new URL('ws', this.#parts.url);
    url.protocol = url.protocol.replace('http', 'ws');
    const { webSocket = WebSocket } = this.#parts.options;
    this.#signaling = new Signaling({ url, userId: this.#toldUserId, tokens: this.#tokens, seat, webSocket }, {
      link: (link) => this.#linked(link),
      message: (message) => this.#receive(message),
      restarted: () => {
        this.queue = this.waitsIn = null;
        this.#untold = true;
      },
      tokenless: (error) =>
        this.#refused({ code: 'token_missing', message: `no token from the application: ${error}`, temporary: true }),
      settled: () => this.#settled(),
      seat: (seat) => this.#parts.memory.remember({ seat }),
      moved: () => this.session?.call.moved(),
    });
    this.#signaling.pairToken = pairToken ?? null;
    this.#signaling.connect();
  }

  #linked(link: ServerLink): void {
    this.link = link;
    if (link.state === 'refused') {
      if (link.code === 'replaced') {
        // Another tab is this user now. If we are asked to go on, it is as somebody else.
        this.#hangUp();
        if (!this.#parts.options.userId) this.userId = newUserId();
      }
      this.session?.forgotten();
      this.#rest();
    }
    this.#parts.changed();
  }

  #leaveServer(): void {
    this.#signaling?.close();
    this.#rest();
  }

  /** Nothing is wanted of the server any more. */
  #rest(): void {
    this.#signaling = null;
    this.#untold = this.#missed = false;
    this.aim = this.queue = this.waitsIn = null;
    this.#search.end();
    this.#parts.memory.leave();
    this.#parts.changed();
  }

  /** All is told. What the server did not speak of does not exist for it. */
  #settled(): void {
    const untold = this.#untold;
    this.#untold = false;
    if (untold && this.session?.known) this.#forgotten('disconnected');
    else if (untold || this.#aimIsNew) this.#ask();
    this.#parts.changed();
  }

  #receive(message: SeatMessage): void {
    switch (message.type) {
      case 'queued':
        this.#untold = false;
        this.#waits(message.payload);
        break;
      case 'match_found':
        this.#untold = false;
        this.#meet(message.payload, { callsBefore: 0, connectedAt: null });
        break;
      case 'rejoined':
        this.#untold = false;
        this.#rejoin(message.payload);
        break;
      case 'ice_servers':
        this.session?.renewed(message.payload);
        break;
      case 'queue_timeout':
        this.#timeOut(message.payload?.reason === 'unanswered' ? 'unanswered' : 'nobody');
        break;
      case 'room_created':
        this.#untold = false;
        this.waitsIn = { code: message.payload.code, expiresAt: Date.now() + message.payload.expiresInMs };
        break;
      case 'room_closed':
        if (message.payload.code === this.waitsIn?.code) this.#timeOut('room_closed');
        break;
      case 'reported':
        this.#parts.emitter.emit('reported', message.payload);
        break;
      case 'blocked':
        this.#parts.blocks.add(message.payload.userId);
        break;
      case 'error':
        this.#refused(message.payload);
        break;
      case 'partner_left':
        if (this.session?.id === message.payload.sessionId) this.#partnerLeft(message.payload.reason as LeftReason);
        break;
      case 'signal':
      case 'message':
      case 'partner_away':
      case 'partner_back':
        if (this.session?.id === message.payload.sessionId) this.session.heard(message);
    }
    this.#parts.changed();
  }

  #waits({ placeToken, position, waiting, etaMs }: Waiting): void {
    this.queue = { position, waiting: waiting ?? null, etaMs: etaMs ?? null };
    this.#parts.memory.remember({ placeToken });
  }

  /** Nobody has come; or we have slept while somebody had. */
  #timeOut(reason: Events['timeout']['reason']): void {
    const awake = typeof document === 'undefined' || document.visibilityState === 'visible';
    const searching = reason === 'unanswered' && awake && !this.#missed;
    this.#missed = searching;
    this.queue = null;
    if (searching) this.#ask();
    else this.#leaveServer();
    this.#parts.emitter.emit('timeout', { reason, searching });
  }

  #refused(error: ServerError): void {
    const { code } = error;
    // Candidates that cross a `partner_left`; and a server older than this client.
    if (code === 'no_session' || (code === 'unknown_type' && this.session)) return;
    const search = this.session ? null : this.#search.refused(error);
    if (search === 'over') this.#leaveServer();
    this.session?.refused(error);
    this.#parts.emitter.emit('error', problemOf(error, search === 'again'));
  }

  /** Asks for what is wanted: as soon as the server can be asked, and at once for who leaves a session for it. */
  #ask(leaving?: string): void {
    if (!this.aim || this.session || (!this.#signaling?.settled && !leaving)) return;
    this.#aimIsNew = false;
    const { matchMode = 'default' } = this.#parts.options;
    const { placeToken } = this.#parts.memory.remembered;
    const asker = { userId: this.#toldUserId, matchMode, blocked: this.#parts.blocks.list, placeToken };
    this.#search.ask(requestOf(this.aim, asker), leaving);
  }

  // -- the session -------------------------------------------------------------------------------

  #meet(match: Match, before: { callsBefore: number; connectedAt: number | null }): void {
    this.#hangUp();
    this.#search.end();
    this.queue = this.waitsIn = null;
    this.#missed = false;
    this.#keepPairToken(match);
    this.#parts.memory.remember({ placeToken: undefined });
    this.session = new LiveSession(
      {
        match,
        ...before,
        relayOnly: this.#relayOnly,
        local: this.#parts.media.local,
        peerConnection: this.#parts.options.peerConnection ?? RTCPeerConnection,
        iceUrl: this.#signaling?.oldWire ? new URL('v1/ice', this.#parts.url) : null,
      },
      {
        signal: (data) => this.#signaling?.send({ type: 'signal', data }),
        changed: () => this.#parts.changed(),
        stream: (stream) => this.#show(stream),
        message: (data) => this.#parts.emitter.emit('message', data),
        chat: (message) => this.#parts.emitter.emit('chat', message),
        silent: () => this.#signaling?.probe(),
        path: (relayed) => this.say({ type: 'path', data: { sessionId: match.sessionId, relayed } }),
        noPath: () => this.#noPath(),
        requestIceServers: () => this.#signaling?.requestIceServers(),
        track: (kind) => this.#parts.media.track(kind),
      },
    );
    this.#parts.emitter.emit('partner', this.session.describe());
  }

  /** The server says that we are in this session. */
  #rejoin(match: Match): void {
    const { sessionId, partnerProtocol } = match;
    if (this.session?.id === sessionId) {
      this.#keepPairToken(match);
      this.session.rejoined(match);
    } else if (this.#search.isLeaving(sessionId) || !partnerProtocol) {
      // A partner of the old wire understands no second connection.
      this.#signaling?.send({ type: 'end_session', data: { sessionId } });
      this.#untold = true;
    } else {
      const { session } = this.#parts.memory.remembered;
      const { calls, connectedAt } = session?.id === sessionId ? session : { calls: 1, connectedAt: null };
      this.#meet(match, { callsBefore: calls, connectedAt });
    }
  }

  #partnerLeft(reason: LeftReason): void {
    // It is the connection to the server that the partner has lost, or the server that has lost both.
    if (reason === 'disconnected' || reason === 'shutdown' || this.#untold) this.#forgotten(reason);
    else this.#leave(reason);
  }

  /** The server knows the session no more. Media that flows goes on. */
  #forgotten(reason: LeftReason): void {
    if (!this.session?.call.connected) return this.#leave(reason);
    this.session.forgotten();
    // If nobody has ended it, it may be put together again: who was away for too long comes back, or we do.
    if (reason === 'ended') this.#keepPairToken({});
  }

  /** The call is over, and not by our wish. */
  #leave(reason: LeftReason): void {
    this.#hangUp();
    this.#parts.emitter.emit('left', { reason });
    // Who has met a friend does not want a stranger next.
    if (this.aim?.kind === 'room') this.stop();
    else this.#ask();
  }

  #noPath(): void {
    if (!this.session?.known) this.#leave('disconnected');
    else {
      this.#parts.emitter.emit('left', this.session.call.farewell);
      if (this.aim?.kind === 'room') this.stop();
      else this.next();
    }
    this.#parts.changed();
  }

  #endSession(): void {
    const { session } = this;
    this.#hangUp();
    if (session?.known) this.#signaling?.send({ type: 'end_session', data: { sessionId: session.id } });
  }

  #hangUp(): void {
    this.session?.call.close();
    this.session = null;
    this.#keepPairToken({});
    this.#show(null);
  }

  #show(stream: MediaStream | null): void {
    if (stream === this.remoteStream) return;
    this.remoteStream = stream;
    this.#parts.emitter.emit('stream', stream);
  }

  #keepPairToken({ pairToken }: { pairToken?: string }): void {
    if (this.#signaling) this.#signaling.pairToken = pairToken ?? null;
    this.#parts.memory.remember({ pairToken });
  }

  /** What the session and the way to the server have to know of the rest. */
  update(): void {
    const { session, phase } = this;
    session?.update(this.link.state === 'open', this.#parts.media.local);
    if (this.#signaling) this.#signaling.pace = phase === 'idle' || phase === 'connected' ? 'idle' : 'setup';
    if (!session) return;
    const { number: calls, connectedAt } = session.call;
    this.#parts.memory.remember({ session: { id: session.id, calls, connectedAt } });
  }
}
