import { signsOfLife } from '../stats.js';
import type { Events, Local } from '../types.js';
import { Peer } from './peer.js';
import type { Kind, PeerHandlers, Role } from './peer.js';
import { read, shapeOf, write } from './shapes.js';
import type { Shape, Signal } from './shapes.js';

/** A path that the browser has doubts about gets this long to come back by itself. */
const DOUBT_MS = 1000;
/** An ICE restart that works takes a fraction of this; after it, a new connection is made. */
const RESTART_MS = 7000;
/** And so it is when the first one comes to nothing. */
const CONNECT_MS = 15_000;
/** Time for both sides to connect, or to recover, while they can reach each other by the server. */
const PATIENCE_MS = 30_000;
/** Time for media to come back by itself when nothing else can be done for it. */
const ALONE_MS = 10_000;
const LISTEN_EVERY_MS = 1000;
/** Nothing at all came for so long: is the network gone? */
const SILENT_MS = 2000;
/** And for so long: new paths, before the browser itself gives up the old one. */
const VERY_SILENT_MS = 4000;

/** Whether signals reach the partner: now, later, or never again. */
export type Reach = 'now' | 'later' | 'never';

export interface CallHandlers extends Pick<PeerHandlers, 'stream' | 'told' | 'message'> {
  signal(signal: object): void;
  /** The state of the connection, or the number of it. */
  changed(): void;
  /** Nothing comes from the partner. */
  silent(): void;
  /** Media goes by a relay, or does not: as soon as it is known, and when it changes. */
  path(relayed: boolean): void;
  /** Patience has ended. */
  noPath(): void;
  /** ICE servers for the paths to come; null: those there are will do. */
  renew(): Promise<RTCIceServer[] | null>;
  /** What is to be sent. */
  track(kind: Kind): MediaStreamTrack | null;
}

export interface CallOptions {
  readonly role: Role;
  readonly iceServers: RTCIceServer[];
  readonly relayOnly: boolean;
  readonly local: Local;
  readonly peerConnection: typeof RTCPeerConnection;
  /** Counts the connections of the session: more than 1 after a reload of the page. */
  readonly number: number;
  readonly connectedAt: number | null;
}

/** One session with a partner: an RTCPeerConnection, and the next one when the first cannot be mended. */
export class Call {
  readonly role: Role;
  readonly #options: CallOptions;
  readonly #handlers: CallHandlers;
  #iceServers: RTCIceServer[];
  #relayOnly: boolean;
  #local: Local;
  #number: number;
  #peer: Peer;
  #connectedAt: number | null;
  #shape: Shape = 'nested';
  #reach: Reach = 'now';
  #closed = false;
  /** Signals are handled one after another, in the order they came. */
  #signals = Promise.resolve();

  /** An ICE restart, or a new connection, is under way. */
  #mending: ReturnType<typeof setTimeout> | undefined;
  #restarted = false;
  #doubt: ReturnType<typeof setTimeout> | undefined;
  #patience: ReturnType<typeof setTimeout> | undefined;
  #listening: ReturnType<typeof setInterval> | undefined;
  #heard = 0;
  #heardAt = Date.now();
  #relayed: boolean | null = null;
  /** What came of the ICE servers, over all connections. */
  #hadRelay = false;
  readonly #failures = new Map<string, string>();

  constructor(options: CallOptions, handlers: CallHandlers) {
    this.role = options.role;
    this.#options = options;
    this.#handlers = handlers;
    this.#iceServers = options.iceServers;
    this.#relayOnly = options.relayOnly;
    this.#local = options.local;
    this.#number = options.number;
    this.#connectedAt = options.connectedAt;
    this.#peer = this.#open();
    this.#wait();
    if (options.number > 1) this.#signal({});
  }

  get pc(): RTCPeerConnection {
    return this.#peer.pc;
  }
  get number(): number {
    return this.#number;
  }
  get connected(): boolean {
    return this.pc.connectionState === 'connected';
  }
  /** When media flowed first. */
  get connectedAt(): number | null {
    return this.#connectedAt;
  }

  /** What there is to say when no path was found. */
  get farewell(): Events['left'] {
    const urls = this.#hadRelay ? [] : this.#iceServers.flatMap((server) => server.urls);
    const unreachable = urls
      .filter((url) => /^turns?:/.test(url))
      .map((url) => ({ url, why: this.#failures.get(url) ?? '' }));
    return { reason: 'no_path', ...(unreachable.length && { unreachable }) };
  }

  receive(signal: unknown): void {
    this.#shape = shapeOf(signal) ?? this.#shape;
    const said = read(signal);
    this.#signals = this.#signals.then(() => this.#apply(said)).catch(() => {
      // A description that the browser refuses. Patience decides what comes of it.
    });
  }

  send(kind: Kind, track: MediaStreamTrack | null): Promise<void> {
    return this.#peer.send(kind, track);
  }

  say(data: string | ArrayBuffer): boolean {
    return this.#peer.channels?.send(data) ?? false;
  }

  set local(local: Local) {
    this.#local = local;
    if (this.#peer.channels) this.#peer.channels.local = local;
  }

  set iceServers(iceServers: RTCIceServer[]) {
    this.#iceServers = iceServers;
    this.#configure();
  }

  /** A running call gets a new connection: an ICE restart would keep a direct pair that works. */
  set relayOnly(relayOnly: boolean) {
    this.#relayOnly = relayOnly;
    if (this.#mayReopen) {
      this.#reopen(this.#number + 1);
    } else {
      this.#configure();
      this.#peer.restartIce();
    }
  }

  set reach(reach: Reach) {
    if (reach === this.#reach) return;
    this.#reach = reach;
    clearTimeout(this.#patience);
    this.#patience = undefined;
    this.#wait();
    const lost = this.#connectedAt !== null && (!this.connected || this.#silence() > SILENT_MS);
    if (reach === 'now' && lost && this.#mending === undefined) this.#mend();
  }

  /** The browser has another network: what it had of paths is worth nothing. */
  moved(): void {
    if (this.#connectedAt === null) return;
    // Whatever was being tried was tried over the old one.
    this.#restarted = false;
    this.#mend();
  }

  /** The server has begun anew: what we signalled last, and what was on its way to us, may be lost. */
  resynchronise(): void {
    const direct = this.#relayed === false && this.pc.connectionState !== 'failed';
    this.#relayed = null;
    // What flows directly and is interrupted for a moment is mended as ever: a new connection would be a gap of seconds.
    // What was relayed may have lost its relay with the server.
    if (!this.connected && !direct && this.#mayReopen) this.#reopen(this.#number + 1);
    else this.#peer.repeat();
    this.#signal({ sync: true });
  }

  close(): void {
    this.#closed = true;
    for (const timer of [this.#mending, this.#doubt, this.#patience, this.#listening]) clearTimeout(timer);
    this.#peer.close();
  }

  // -- one connection ----------------------------------------------------------------------------

  #open(): Peer {
    const pc = new this.#options.peerConnection({
      iceServers: this.#iceServers,
      // One transport from the start, so one allocation for each TURN URL and not one for each medium.
      bundlePolicy: 'max-bundle',
      iceTransportPolicy: this.#relayOnly ? 'relay' : 'all',
    });
    const { stream, told, message } = this.#handlers;
    const peer: Peer = new Peer(pc, this.role, {
      signal: (signal) => this.#signal(signal),
      stateChanged: () => this.#watch(),
      relayed: () => (this.#hadRelay = true),
      failed: (url, why) => this.#failures.set(url, why),
      stream,
      told,
      message,
      // Otherwise the server tells what became of the partner.
      closed: () => this.#reach === 'never' && peer === this.#peer && this.#handlers.noPath(),
    });
    if (peer.channels) peer.channels.local = this.#local;
    for (const kind of ['audio', 'video'] as const) void peer.send(kind, this.#handlers.track(kind));
    this.#restarted = false;
    this.#arm(CONNECT_MS);
    return peer;
  }

  #reopen(number: number): void {
    this.#peer.close();
    this.#number = number;
    this.#peer = this.#open();
    this.#wait();
    this.#signal({});
    this.#handlers.changed();
  }

  /** One of the old wire has one connection for each session. */
  get #mayReopen(): boolean {
    return this.role.partnerProtocol > 0;
  }

  #configure(): void {
    const iceTransportPolicy = this.#relayOnly ? 'relay' : 'all';
    this.pc.setConfiguration({ ...this.pc.getConfiguration(), iceServers: this.#iceServers, iceTransportPolicy });
  }

  #signal(signal: Signal): void {
    // Nothing but descriptions and candidates for one of the old wire.
    const extra = this.#mayReopen ? { call: this.#number } : {};
    if (!this.#mayReopen) delete signal.offer;
    if (this.#mayReopen || signal.description || signal.candidate)
      this.#handlers.signal(write({ ...signal, ...extra }, this.#shape));
  }

  async #apply({ call = this.#number, restart, sync, ...signal }: Signal): Promise<void> {
    if (this.#closed) return;
    if (call > this.#number) this.#reopen(call);
    if (call < this.#number) return;
    if (restart) this.#peer.restartIce();
    if (sync) this.#peer.repeat();
    // What a connection had begun when it was closed never ends, and the next one's signals would wait for it.
    await Promise.race([this.#peer.apply(signal), this.#peer.closed]);
  }

  // -- mending -----------------------------------------------------------------------------------

  #watch(): void {
    clearTimeout(this.#doubt);
    const state = this.pc.connectionState;
    if (state === 'connected') this.#healthy();
    else if (state === 'disconnected') this.#doubt = setTimeout(() => this.#mend(), DOUBT_MS);
    else if (state === 'failed') this.#mend();
    this.#wait();
    this.#handlers.changed();
  }

  #healthy(): void {
    this.#connectedAt ??= Date.now();
    this.#heardAt = Date.now();
    this.#restarted = false;
    clearTimeout(this.#mending);
    this.#mending = undefined;
    this.#listening ??= setInterval(() => void this.#listen(), LISTEN_EVERY_MS);
  }

  /** First new paths, then a new connection, as long as the partner can be told of it. */
  #mend(): void {
    if (this.#reach !== 'now' || this.#closed) return;
    if (this.#restarted && this.#mayReopen) return this.#reopen(this.#number + 1);
    this.#restarted = true;
    this.#arm(RESTART_MS);
    void this.#restart();
  }

  #arm(delay: number): void {
    clearTimeout(this.#mending);
    this.#mending = setTimeout(() => {
      this.#mending = undefined;
      if (!this.connected || this.#silence() > SILENT_MS) this.#mend();
      else this.#restarted = false;
    }, delay);
  }

  async #restart(): Promise<void> {
    const peer = this.#peer;
    const fresh = await this.#handlers.renew();
    if (peer !== this.#peer || this.#closed) return;
    if (fresh) this.iceServers = fresh;
    peer.restartIce();
  }

  async #listen(): Promise<void> {
    const { pc } = this;
    const { heard, relayed } = await signsOfLife(pc).catch(() => ({ heard: this.#heard, relayed: null }));
    if (this.#closed || pc !== this.pc) return;
    if (relayed !== null && relayed !== this.#relayed) this.#handlers.path((this.#relayed = relayed));
    if (heard !== this.#heard) this.#heardAt = Date.now();
    this.#heard = heard;
    if (!this.connected || this.#silence() < SILENT_MS) return;
    this.#handlers.silent();
    if (this.#silence() > VERY_SILENT_MS && this.#mending === undefined) this.#mend();
  }

  #silence(): number {
    return Date.now() - this.#heardAt;
  }

  /** Patience runs while there is no media, and something could be done about it. */
  #wait(): void {
    if (this.#closed) return;
    if (this.#reach === 'later' || this.connected) {
      clearTimeout(this.#patience);
      this.#patience = undefined;
      return;
    }
    const limit = this.#reach === 'never' ? ALONE_MS : PATIENCE_MS;
    this.#patience ??= setTimeout(() => this.#handlers.noPath(), limit);
  }
}
