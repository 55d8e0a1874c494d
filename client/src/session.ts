import { Call } from './call/call.js';
import type { CallHandlers } from './call/call.js';
import type { ChatMessage, Local, Partner, Phase, Session } from './types.js';
import type { Match, SeatMessage, ServerError } from './wire.js';

const RENEW_TIMEOUT_MS = 3000;
const CHAT_LENGTH = 200;

export interface SessionHandlers extends Pick<CallHandlers, 'silent' | 'noPath' | 'track' | 'message' | 'path'> {
  signal(data: { sessionId: string; targetUserId: string; signal: object }): void;
  changed(): void;
  stream(stream: MediaStream): void;
  requestIceServers(): void;
  /** The partner has written. */
  chat(message: ChatMessage): void;
}

export interface SessionOptions {
  readonly match: Match;
  /** Connections that the session has had on an earlier page. */
  readonly callsBefore: number;
  readonly connectedAt: number | null;
  readonly relayOnly: boolean;
  readonly local: Local;
  readonly peerConnection: typeof RTCPeerConnection;
  /** Where ICE servers are given to a client of the old wire; null: by the seat. */
  readonly iceUrl: URL | null;
}

/** Two people whom the server has brought together: what it says of them, and their call. */
export class LiveSession {
  readonly id: string;
  readonly call: Call;
  readonly partnerId: string;
  readonly #isInitiator: boolean;
  readonly #handlers: SessionHandlers;
  readonly #iceUrl: URL | null;
  /** What the two have written to each other. */
  chat: readonly ChatMessage[] = [];
  readonly #sent = new Map<number, ChatMessage>();
  #partner: Partner;
  #known = true;
  /** At another server, and the partner too: media is to use its relays before those of the old one go. */
  #toMove = false;
  #grant = { at: 0, ttlMs: 0 };

  constructor(options: SessionOptions, handlers: SessionHandlers) {
    const { match, relayOnly, local, peerConnection, connectedAt } = options;
    const { partnerProtocol = 0, isInitiator, iceServers } = match;
    this.id = match.sessionId;
    this.partnerId = match.partnerId;
    this.#isInitiator = isInitiator;
    this.#handlers = handlers;
    this.#iceUrl = options.iceUrl;
    this.#partner = { away: match.partnerAway ?? false, microphone: null, camera: null, screen: false };
    this.#granted(match);
    const number = options.callsBefore + 1;
    const role = { isInitiator, partnerProtocol };
    const settings = { role, iceServers, relayOnly, local, peerConnection, number, connectedAt };
    this.call = new Call(settings, {
      ...handlers,
      signal: (signal) => this.#signal(signal),
      told: (told) => {
        this.#partner = { ...this.#partner, ...told };
        handlers.changed();
      },
      renew: () => this.#renew(),
    });
  }

  /** The server knows it too, as far as we know. */
  get known(): boolean {
    return this.#known;
  }
  get partner(): Partner {
    return this.#partner;
  }
  get phase(): Phase {
    if (this.call.connected) return 'connected';
    return this.call.connectedAt === null ? 'pairing' : 'interrupted';
  }
  describe(): Session {
    const { connectedAt } = this.call;
    return { id: this.id, partnerId: this.partnerId, isInitiator: this.#isInitiator, connectedAt };
  }

  /** The server begins anew, and says that we are in this session still. */
  rejoined(match: Match): void {
    this.#known = true;
    this.#partner = { ...this.#partner, away: match.partnerAway ?? false };
    this.renewed(match);
    this.call.resynchronise();
    this.#toMove = !this.#partner.away;
  }

  /** `id` is the number it went to the server by. */
  wrote(from: ChatMessage['from'], text: string, id = 0): ChatMessage {
    const message = { from, text, at: Date.now(), refused: false };
    this.chat = [...this.chat, message].slice(-CHAT_LENGTH);
    if (id) this.#sent.set(id, message);
    return message;
  }

  /** If it was one of our messages. */
  refused({ id = 0 }: ServerError): void {
    const refused = this.#sent.get(id);
    this.chat = this.chat.map((message) => (message === refused ? { ...message, refused: true } : message));
  }

  /** What the server says while the session lasts. */
  heard({ type, payload }: Extract<SeatMessage, { type: 'signal' | 'message' | 'partner_away' | 'partner_back' }>): void {
    if (type === 'signal') this.call.receive(payload.signal);
    else if (type === 'message') this.#handlers.chat(this.wrote('partner', payload.text));
    else this.#partner = { ...this.#partner, away: type === 'partner_away' };
  }

  /** The server knows it no more: nothing can be said to the partner but by the call itself. */
  forgotten(): void {
    this.#known = false;
    this.#partner = { ...this.#partner, away: true };
  }

  renewed(grant: { iceServers: RTCIceServer[]; iceTtl: number }): void {
    // Who comes back too often gets none, and keeps those it has.
    if (!grant.iceServers.length) return;
    this.#granted(grant);
    this.call.iceServers = grant.iceServers;
  }

  /** What the call has to know of the rest of the world. */
  update(online: boolean, local: Local): void {
    this.call.local = local;
    this.call.reach = !this.#known ? 'never' : online && !this.#partner.away ? 'now' : 'later';
    if (!this.#toMove) return;
    this.#toMove = false;
    this.call.moved();
  }

  #signal(signal: object): void {
    if (this.#known) this.#handlers.signal({ sessionId: this.id, targetUserId: this.partnerId, signal });
  }

  #granted({ iceTtl }: { iceTtl: number }): void {
    this.#grant = { at: Date.now(), ttlMs: iceTtl * 1000 };
  }

  /** The server renews in time by itself, but not for a client that it cannot reach, and not on the old wire. */
  async #renew(): Promise<RTCIceServer[] | null> {
    if (Date.now() - this.#grant.at < this.#grant.ttlMs / 2) return null;
    if (!this.#iceUrl) {
      this.#handlers.requestIceServers();
      return null;
    }
    try {
      const answer = await fetch(this.#iceUrl, { signal: AbortSignal.timeout(RENEW_TIMEOUT_MS) });
      return answer.ok ? ((await answer.json()) as { iceServers: RTCIceServer[] }).iceServers : null;
    } catch {
      return null; // The old credentials have to do.
    }
  }
}
