import { COMING_BACK, GOODBYE, refusal, TOKEN_OVER } from '../wire.js';
import type { Hello, Request, SeatMessage, ServerMessage, Welcome } from '../wire.js';
import type { Tokens } from '../tokens.js';
import type { ServerLink } from '../types.js';
import { backoff } from './backoff.js';
import { Liveness } from './liveness.js';
import type { Pace } from './liveness.js';
import { watchNetwork } from './network.js';
import type { NetworkSign } from './network.js';
import { Outbox } from './outbox.js';

/** From `new WebSocket` to the server's `welcome`. */
const OPENING_MS = 10_000;
/** As long as there is a seat to come back to: one that was begun over a dead path waits for the kernel's next try. */
const OPENING_IN_WINDOW_MS = 4000;
/** How long the server keeps a seat, until it says otherwise. */
const RESUME_WINDOW_MS = 30_000;
/** Retries come quickly as long as there is a seat to come back to. */
const CAP_IN_WINDOW_MS = 4000;
/** And while a call goes on that no server knows, which cannot be mended then. */
const CAP_IN_CALL_MS = 8000;
const CAP_MS = 20_000;
/** When the network has changed, a connection that does not answer this fast is not worth waiting for. */
const MOVED_ANSWER_MS = 1500;
const ACK_EVERY = 32;

export interface Handlers {
  link(link: ServerLink): void;
  /** What the server says about the seat, each once and in order. */
  message(message: SeatMessage): void;
  /** A seat of which the server told nothing yet. What it had not acknowledged is forgotten. */
  restarted(): void;
  /** After `restarted`: the server has told all there is, and the connection may be used. */
  settled(): void;
  /** The application gave no token when it was asked for one. */
  tokenless(error: unknown): void;
  /** For another page of this tab: how to come back. */
  seat(seat: Seat): void;
  moved(): void;
}

export interface Seat {
  token: string;
  epoch: string;
}

export interface SignalingOptions {
  readonly url: URL;
  readonly userId: string | undefined;
  readonly tokens: Tokens;
  readonly seat: Seat | null;
  readonly webSocket: typeof WebSocket;
}

/** One seat at the server, served by one WebSocket after another. */
export class Signaling {
  readonly #url: URL;
  /** Absent: the token says it. */
  readonly #userId: string | undefined;
  readonly #tokens: Tokens;
  readonly #webSocket: typeof WebSocket;
  readonly #handlers: Handlers;
  readonly #liveness = new Liveness(
    () => this.#write({ type: 'ping' }),
    () => this.#dead(),
  );
  readonly #outbox = new Outbox();
  readonly #unwatch: () => void;

  #socket: WebSocket | null = null;
  /** The socket's `welcome` has come. */
  #open = false;
  #settled = false;
  #oldWire = false;
  #seat: Seat | null;
  /** The last server message handled; unknown after a reload. */
  #received: number | undefined;
  #acknowledged = 0;
  /** Signed by the server: puts the two of a session together again wherever we come back. */
  pairToken: string | null = null;

  #attempt = 0;
  #windowMs = RESUME_WINDOW_MS;
  #lostAt = 0;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #goaway: ReturnType<typeof setTimeout> | undefined;
  #renewal: ReturnType<typeof setTimeout> | undefined;

  constructor({ url, userId, tokens, seat, webSocket }: SignalingOptions, handlers: Handlers) {
    this.#url = url;
    this.#userId = userId;
    this.#tokens = tokens;
    this.#seat = seat;
    this.#webSocket = webSocket;
    this.#handlers = handlers;
    this.#unwatch = watchNetwork((sign) => this.#network(sign));
  }

  connect(): void {
    this.#drop();
    this.#handlers.link({ state: 'connecting' });
    const socket = (this.#socket = new this.#webSocket(this.#url));
    socket.onopen = () => void this.#hello(socket);
    socket.onmessage = ({ data }) => this.#heard(String(data));
    socket.onclose = ({ code }) => this.#lost(code);
    this.#timer = setTimeout(() => this.#lost(COMING_BACK), this.#inWindow ? OPENING_IN_WINDOW_MS : OPENING_MS);
  }

  /** Sent again until the server has acknowledged it, by the number that is returned; none on the old wire. */
  send(request: Request): number | undefined {
    if (this.#oldWire) return void this.#write(request);
    const numbered = this.#outbox.add(request);
    if (this.#open) this.#write(numbered);
    return numbered.id;
  }

  requestIceServers(): void {
    if (this.#open && !this.#oldWire) this.#write({ type: 'ice_servers' });
  }

  /** Asks for a sign of life, when something else looks dead. */
  probe(): void {
    this.#liveness.probe();
  }

  set pace(pace: Pace) {
    this.#liveness.pace = pace;
  }

  /** The server is of a time before seats: it forgets us with the socket. */
  get oldWire(): boolean {
    return this.#oldWire;
  }

  /** Everything may be said: the connection is open, and what was missed has been told. */
  get settled(): boolean {
    return this.#open && this.#settled;
  }

  /** Leaves: the seat ends at once. */
  close(): void {
    this.#unwatch();
    this.#drop(GOODBYE);
    this.#handlers.link({ state: 'closed' });
  }

  // -- one connection ----------------------------------------------------------------------------

  async #hello(socket: WebSocket): Promise<void> {
    const hello: Hello = this.#userId === undefined ? {} : { userId: this.#userId };
    if (this.#tokens.given) {
      try {
        hello.token = await this.#tokens.get();
      } catch (error) {
        if (socket !== this.#socket) return;
        this.#handlers.tokenless(error);
        return this.#lost(COMING_BACK);
      }
      if (socket !== this.#socket) return;
    }
    if (this.#seat) {
      const { token, epoch } = this.#seat;
      hello.resume = this.#received === undefined ? { token, epoch } : { token, epoch, received: this.#received };
    }
    if (this.pairToken) hello.pairToken = this.pairToken;
    this.#settled = !hello.resume && !hello.pairToken;
    socket.send(JSON.stringify({ type: 'hello', data: hello }));
  }

  #heard(text: string): void {
    this.#liveness.heard();
    const message = JSON.parse(text) as ServerMessage;
    switch (message.type) {
      case 'welcome':
        return this.#welcome(message.payload);
      case 'pong':
        return this.#answered();
      case 'ack':
        return this.#outbox.acknowledge(message.payload.id);
      case 'goaway':
        clearTimeout(this.#goaway);
        this.#goaway = setTimeout(() => this.#dead(), message.payload.retryAfterMs);
        return;
      case 'match_offer':
        return void this.#write({ type: 'accept' });
      case 'restart':
        return; // told by `welcome` already
      default:
        if (!this.#open && message.type === 'error') return this.#turnedAway(message.payload.code, message);
        return this.#deliver(message);
    }
  }

  #welcome(welcome: Welcome): void {
    clearTimeout(this.#timer);
    this.#open = true;
    this.#tokens.taken();
    this.#windowMs = welcome.resumeWindowMs;
    this.#seat = { token: welcome.resumeToken, epoch: welcome.epoch };
    this.#handlers.seat(this.#seat);
    this.#handlers.link({ state: 'open' });
    if (welcome.resumed) {
      this.#outbox.acknowledge(welcome.received);
      for (const request of this.#outbox.waiting) this.#write(request);
    } else {
      this.#received = this.#acknowledged = 0;
      this.#outbox.restart();
      this.#handlers.restarted();
      if (this.#settled) this.#handlers.settled();
    }
    // Its answer comes after all that the server had to tell.
    this.#liveness.start(welcome.pingMs);
    this.#liveness.probe();
  }

  #answered(): void {
    this.#attempt = 0;
    if (!this.#open || this.#settled) return;
    this.#settled = true;
    this.#handlers.settled();
  }

  /** An error before `welcome`. */
  #turnedAway(code: string, message: Extract<SeatMessage, { type: 'error' }>): void {
    if (code === 'unknown_type') {
      clearTimeout(this.#timer);
      this.#oldWire = this.#open = this.#settled = true;
      this.#handlers.link({ state: 'open' });
      this.#outbox.restart();
      this.#handlers.restarted();
      this.#handlers.settled();
      return;
    }
    const stale = code === 'token_expired' || code === 'token_invalid';
    if (stale && this.#tokens.renew()) return this.connect();
    this.#handlers.message(message);
    const { temporary, retryAfterMs = CAP_MS } = message.payload;
    if (temporary && code !== 'barred') this.#retryIn(retryAfterMs * (1 + Math.random() / 2));
    else this.#refused(code);
  }

  #renewIn(delay: number): void {
    clearTimeout(this.#renewal);
    if (delay) this.#renewal = setTimeout(() => void this.#renewToken(), delay);
    else void this.#renewToken();
  }

  /** The one that the server has will run out soon. If there is no other, it ends the connection then. */
  async #renewToken(): Promise<void> {
    if (!this.#tokens.renew()) return;
    const token = await this.#tokens.get().catch((error: unknown) => this.#handlers.tokenless(error));
    // Who has another connection by now has said it there.
    if (token !== undefined && this.#open) this.#write({ type: 'renew_token', data: { token } });
  }

  #deliver(message: SeatMessage & { seq?: number }): void {
    const { seq } = message;
    if (seq !== undefined && this.#received !== undefined) {
      if (seq <= this.#received) return;
      // What was missed is told again to who comes back.
      if (seq > this.#received + 1) return this.#dead();
      this.#received = seq;
      if (seq - this.#acknowledged >= ACK_EVERY) this.#write({ type: 'ack' });
    }
    if (this.#oldWire) this.#attempt = 0;
    if (message.type === 'token_expiring') this.#renewIn(this.#tokens.pause(message.payload.expiresInMs));
    else if (message.type === 'token_renewed') this.#tokens.taken();
    this.#handlers.message(message);
  }

  /** Every message says what we have received. */
  #write(message: object): boolean {
    if (this.#socket?.readyState !== 1) return false;
    const ack = this.#oldWire ? undefined : this.#received || undefined;
    this.#acknowledged = ack ?? this.#acknowledged;
    this.#socket.send(JSON.stringify({ ...message, ack }));
    return true;
  }

  // -- from one connection to the next -----------------------------------------------------------

  /** It did not answer, or is about to go: the next, without waiting for its close. */
  #dead(): void {
    this.#lostAt = Date.now();
    this.connect();
  }

  #lost(code: number): void {
    if (code === TOKEN_OVER && this.#tokens.renew()) return this.#dead();
    const refused = refusal(code);
    if (refused) return this.#refused(refused);
    if (this.#open) this.#lostAt = Date.now();
    const cap = this.#inWindow ? CAP_IN_WINDOW_MS : this.pairToken ? CAP_IN_CALL_MS : CAP_MS;
    this.#retryIn(backoff(this.#attempt++, cap));
  }

  /** For good, until somebody asks for more. */
  #refused(code: string): void {
    this.#unwatch();
    this.#drop();
    this.#handlers.link({ state: 'refused', code });
  }

  /** There may be a seat to come back to. */
  get #inWindow(): boolean {
    return this.#seat !== null && Date.now() - this.#lostAt < this.#windowMs;
  }

  #retryIn(delay: number): void {
    this.#drop();
    this.#timer = setTimeout(() => this.connect(), delay);
    this.#handlers.link({ state: 'retrying', retryAt: Date.now() + delay });
  }

  #drop(code = COMING_BACK): void {
    clearTimeout(this.#timer);
    clearTimeout(this.#goaway);
    clearTimeout(this.#renewal);
    this.#liveness.stop();
    this.#open = this.#oldWire = false;
    const socket = this.#socket;
    this.#socket = null;
    if (!socket) return;
    socket.onopen = socket.onmessage = socket.onclose = null;
    socket.close(code);
  }

  #network(sign: NetworkSign): void {
    if (this.#open) this.#liveness.probe(sign === 'moved' ? MOVED_ANSWER_MS : undefined);
    // One that is being opened over the old network would keep us waiting.
    else if (sign === 'moved' || !this.#socket) this.connect();
    if (sign === 'moved') this.#handlers.moved();
  }
}
