import type { Options } from './types.js';

/** Who we are, as the application can prove it. */
export class Tokens {
  readonly #source: Options['token'];
  #held: Promise<string> | null = null;
  #heldSince = 0;
  #renewing = false;

  constructor(source: Options['token']) {
    this.#source = source;
  }

  get given(): boolean {
    return this.#source !== undefined;
  }

  /** The one there is, or the application's next. */
  get(): Promise<string> {
    const source = this.#source;
    if (!this.#held) this.#heldSince = Date.now();
    this.#held ??= (async () => (typeof source === 'function' ? source() : (source ?? '')))();
    this.#held.catch(() => {
      this.#held = null;
      this.#renewing = false;
    });
    return this.#held;
  }

  /** How long to wait before the next is asked for: not at all, but where they last for so short a time that there is no end of it. */
  pause(expiresInMs: number): number {
    return Date.now() - this.#heldSince < expiresInMs ? expiresInMs / 2 : 0;
  }

  /** It is no good any more. False: nor would the next one be. */
  renew(): boolean {
    if (typeof this.#source !== 'function' || this.#renewing) return false;
    this.#renewing = true;
    this.#held = null;
    return true;
  }

  /** The server has taken it. */
  taken(): void {
    this.#renewing = false;
  }
}
