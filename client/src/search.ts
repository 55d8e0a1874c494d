import type { Request, ServerError } from './wire.js';

/** Asks for a partner or a room, and again when the server lets us. */
export class Search {
  /** Returns the number of the message. */
  readonly #send: (request: Request) => number | undefined;
  #asked: Request | null = null;
  #id: number | undefined;
  #leaving: string | undefined;
  #timer: ReturnType<typeof setTimeout> | undefined;

  constructor(send: (request: Request) => number | undefined) {
    this.#send = send;
  }

  /** Instead of the session that we were in, if there was one. */
  ask(request: Request, leaving?: string): void {
    clearTimeout(this.#timer);
    this.#asked = request;
    this.#leaving = leaving;
    this.#id = this.#send(request);
  }

  /** Leaves a session for the next one: the server queues us by itself. */
  skip(sessionId: string): void {
    this.ask({ type: 'skip', data: { sessionId } }, sessionId);
  }

  /** The session that the server may not know to have been left. */
  isLeaving(sessionId: string): boolean {
    return this.#leaving === sessionId;
  }

  /** Too often, or the user id is somebody's: later. `over`: what was asked for cannot be had. Null: it was nothing of ours. */
  refused({ code, temporary, retryAfterMs, id }: ServerError): 'again' | 'over' | null {
    const asked = this.#asked;
    // What has no number is about tokens, or comes late, or by the old wire.
    const others = id === undefined ? code.startsWith('token_') : id !== this.#id;
    if (!asked || others) return null;
    if (!temporary || code === 'barred') return 'over';
    if (retryAfterMs === undefined) return null;
    clearTimeout(this.#timer);
    // Not everybody behind one address at once.
    this.#timer = setTimeout(() => this.ask(asked, this.#leaving), retryAfterMs * (1 + Math.random() / 2));
    return 'again';
  }

  /** There is a partner, or none is wanted. */
  end(): void {
    clearTimeout(this.#timer);
    this.#asked = null;
    this.#leaving = undefined;
  }
}
