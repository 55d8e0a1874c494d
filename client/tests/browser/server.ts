import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { existsSync } from 'node:fs';
import http from 'node:http';
import net from 'node:net';
import type { AddressInfo, Socket } from 'node:net';
import { join } from 'node:path';

declare const PACKAGE: string;

const FLAGS = [
  ...['--listening-ip', '127.0.0.1', '--listening-port', '0', '--alt-listening-port', 'none'],
  ...['--relay-ip', '127.0.0.1', '--allowed-peer-ip', '0.0.0.0/0', '--admin-listen', 'none'],
  // The same after a restart, so that tokens of the one before are good.
  ...['--static-auth-secret', 'a secret of the tests'],
];

/** The binary of this checkout; null where it was not built. */
export function hairpinBinary(): string | null {
  const target = process.env.CARGO_TARGET_DIR ?? join(PACKAGE, '../target');
  const candidates = [process.env.HAIRPIN, join(target, 'debug/hairpin'), join(target, 'release/hairpin')];
  return candidates.find((path) => path && existsSync(path)) ?? null;
}

/** A hairpin on loopback. */
export class Hairpin {
  #process: ChildProcess | null = null;
  port = 0;

  async start(): Promise<void> {
    const binary = hairpinBinary();
    if (!binary) throw new Error('no hairpin: cargo build first, or say where with HAIRPIN');
    const flags = [...FLAGS, '--http-listen', `127.0.0.1:${this.port}`];
    const child = (this.#process = spawn(binary, flags, { stdio: ['ignore', 'pipe', 'pipe'] }));
    let said = '';
    this.port = await new Promise<number>((resolve, reject) => {
      const heard = (text: Buffer): void => {
        said += text.toString();
        const open = /HTTP and WebSocket\s+127\.0\.0\.1:(\d+)/.exec(said);
        if (open) resolve(Number(open[1]));
      };
      child.stdout?.on('data', heard);
      child.stderr?.on('data', heard);
      child.once('exit', () => reject(new Error(`hairpin ended: ${said}`)));
    });
  }

  /** Without a word to anybody. */
  async kill(signal: NodeJS.Signals = 'SIGKILL'): Promise<void> {
    const child = this.#process;
    this.#process = null;
    if (!child || child.exitCode !== null) return;
    const ended = new Promise((resolve) => child.once('exit', resolve));
    child.kill(signal);
    await ended;
  }
}

/** In front of a server: an empty page, and for each person `/<name>/`, whose connections can be cut. */
export class Door {
  readonly #upstream: () => number;
  readonly #server: http.Server;
  readonly #sockets = new Map<string, Set<Socket>>();
  readonly #closed = new Set<string>();
  /** WebSockets opened so far. */
  readonly opened = new Map<string, number>();

  constructor(upstream: () => number) {
    this.#upstream = upstream;
    this.#server = http.createServer((_request, response) => {
      response.setHeader('content-type', 'text/html');
      response.end('<!doctype html><title>room</title><div id="root"></div>');
    });
    this.#server.on('upgrade', (request, socket, head) => this.#carry(request, socket as Socket, head));
  }

  async open(): Promise<void> {
    await new Promise<void>((resolve) => this.#server.listen(0, '127.0.0.1', resolve));
  }

  get url(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}/`;
  }

  /** `seen`: both ends notice. `unseen`: both think that it is open still. None gets through until `mend`. */
  cut(name: string, how: 'seen' | 'unseen'): void {
    this.#closed.add(name);
    for (const socket of this.#sockets.get(name) ?? []) {
      if (how === 'seen') socket.destroy();
      else socket.unpipe().resume();
    }
  }

  mend(name: string): void {
    this.#closed.delete(name);
  }

  close(): void {
    for (const sockets of this.#sockets.values()) for (const socket of sockets) socket.destroy();
    this.#server.close();
    this.#server.closeAllConnections();
  }

  #carry(request: http.IncomingMessage, socket: Socket, head: Buffer): void {
    const name = request.url?.split('/')[1] ?? '';
    this.opened.set(name, (this.opened.get(name) ?? 0) + 1);
    socket.on('error', () => {});
    if (this.#closed.has(name)) return void socket.destroy();
    const upstream = net.connect(this.#upstream(), '127.0.0.1');
    const both = this.#sockets.get(name) ?? new Set();
    this.#sockets.set(name, both.add(socket).add(upstream));
    const headers = Object.entries(request.headers).map(([key, value]) => `${key}: ${value}\r\n`);
    upstream.write(`GET /ws HTTP/1.1\r\n${headers.join('')}\r\n`);
    upstream.write(head);
    upstream.on('error', () => socket.destroy());
    upstream.on('close', () => socket.destroy());
    socket.on('close', () => upstream.destroy());
    socket.pipe(upstream).pipe(socket);
  }
}
