/** WebSockets without a network: each frame takes a little time, may be lost with its connection, and none overtakes another. */

import { wrong } from './schema.js';

/** Nobody says here what the protocol does not have, but for the ids of sessions, which people are to read. */
function hold(direction: 'client' | 'server', message: object): void {
  const text = JSON.stringify(message).replace(/"session-(\d+)"/g, (_, number) => `"${number.padStart(32, '0')}"`);
  const error = wrong(direction, JSON.parse(text));
  // Clients are to ignore what they do not know.
  if (error && !(direction === 'server' && error.startsWith('there is no message'))) throw new Error(error);
}

const TRAVEL_MS = 10;
let connections = 0;

export interface Connection {
  readonly id: number;
  send(message: object): void;
  close(code: number): void;
}

export interface Server {
  opened(connection: Connection): void;
  received(connection: Connection, message: any): void;
  /** `code` is null when the network has lost it. */
  closed(connection: Connection, code: number | null): void;
}

/** How a connection ends: both sides see it, or neither does and it swallows what is sent. */
export type Cut = 'seen' | 'unseen';

export class Network {
  readonly server: Server;
  /** No new connection gets through. */
  down = false;
  /** Frames so far, in both directions. */
  frames = 0;
  /** Loses the frame of this number, and its connection. */
  cutAt: { frame: number; cut: Cut } | null = null;
  /** All that were opened. */
  readonly sockets: FakeSocket[] = [];
  log: string[] = [];

  constructor(server: Server) {
    this.server = server;
  }

  get webSocket(): typeof WebSocket {
    const network = this;
    return class extends FakeSocket {
      constructor(_url: URL) {
        super(network);
      }
    } as unknown as typeof WebSocket;
  }

  /** Cuts every connection there is. */
  cut(cut: Cut): void {
    for (const socket of this.sockets) socket.cut(cut);
  }

  /** Whether a frame gets through. */
  passes(socket: FakeSocket): boolean {
    this.frames += 1;
    if (this.frames !== this.cutAt?.frame) return true;
    socket.cut(this.cutAt.cut);
    return false;
  }
}

export class FakeSocket {
  onopen: (() => void) | null = null;
  onmessage: ((event: { data: string }) => void) | null = null;
  onclose: ((event: { code: number; reason: string }) => void) | null = null;
  readyState = 0;
  readonly #network: Network;
  readonly #connection: Connection;
  #dead = false;
  #known = false;

  constructor(network: Network) {
    this.#network = network;
    network.sockets.push(this);
    this.#connection = {
      id: ++connections,
      send: (message) => {
        hold('server', message);
        this.#carry('<', JSON.stringify(message), (data) => this.onmessage?.({ data }));
      },
      close: (code) => {
        if (this.#dead) return;
        this.#known = false;
        setTimeout(() => this.#ended(code), TRAVEL_MS);
      },
    };
    setTimeout(() => {
      if (this.readyState !== 0) return;
      if (network.down) return this.#ended(1006);
      this.readyState = 1;
      this.#known = true;
      network.server.opened(this.#connection);
      this.onopen?.();
    }, TRAVEL_MS);
  }

  send(text: string): void {
    if (this.readyState !== 1) throw new Error('not open');
    hold('client', JSON.parse(text));
    this.#carry('>', text, (data) => this.#network.server.received(this.#connection, JSON.parse(data)));
  }

  close(code = 1005): void {
    if (this.readyState > 1) return;
    this.readyState = 3;
    // After what was sent before.
    if (!this.#dead) setTimeout(() => this.#forget(code), TRAVEL_MS);
  }

  cut(cut: Cut): void {
    if (this.#dead || this.readyState > 1) return;
    this.#dead = true;
    if (cut === 'unseen') return;
    this.#forget(null);
    setTimeout(() => this.#ended(1006), TRAVEL_MS);
  }

  /** The server's own timeout, for a connection that was cut unseen. */
  expire(): void {
    this.#forget(null);
  }

  get open(): boolean {
    return this.readyState === 1 && !this.#dead;
  }

  #carry(direction: string, text: string, arrive: (text: string) => void): void {
    if (this.#dead) return;
    this.#network.log.push(`${this.#connection.id} ${direction} ${text}`);
    if (!this.#network.passes(this)) return;
    setTimeout(() => {
      if (this.#dead || (direction === '<' && this.readyState !== 1)) return;
      arrive(text);
    }, TRAVEL_MS);
  }

  #forget(code: number | null): void {
    if (!this.#known) return;
    this.#known = false;
    this.#network.server.closed(this.#connection, code);
  }

  #ended(code: number): void {
    if (this.readyState === 3) return;
    this.readyState = 3;
    this.onclose?.({ code, reason: '' });
  }
}
