import type { Request, ServerError } from './wire.js';

/** Asks for a partner, and again when the server lets us. */
export class Search {
  readonly #send: (request: Request) => void;
  #asked: Request | null = null;
  #timer: ReturnType<typeof setTimeout> | undefined;

  constructor(send: (request: Request) => void) {
    this.#send = send;
  }

  join(data: { userId: string; matchMode: string; placeToken?: string }): void {
    this.#ask({ type: 'join_queue', data });
  }

  /** Leaves a session for the next one: the server queues us by itself. */
  skip(sessionId: string): void {
    this.#ask({ type: 'skip', data: { sessionId } });
  }

  /** The session that the server may not know to have been left. */
  isLeaving(sessionId: string): boolean {
    return this.#asked?.type === 'skip' && this.#asked.data.sessionId === sessionId;
  }

  /** Too often, or the user id is somebody's: later. */
  refused({ temporary, retryAfterMs }: ServerError): void {
    const asked = this.#asked;
    if (!asked || !temporary || retryAfterMs === undefined) return;
    clearTimeout(this.#timer);
    // Not everybody behind one address at once.
    this.#timer = setTimeout(() => this.#send(asked), retryAfterMs * (1 + Math.random() / 2));
  }

  /** There is a partner, or none is wanted. */
  end(): void {
    clearTimeout(this.#timer);
    this.#asked = null;
  }

  #ask(request: Request): void {
    clearTimeout(this.#timer);
    this.#asked = request;
    this.#send(request);
  }
}
