import type { Options } from './types.js';

/** Who we are, as the application can prove it. */
export class Tokens {
  readonly #source: Options['token'];
  #held: Promise<string> | null = null;
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
    this.#held ??= (async () => (typeof source === 'function' ? source() : (source ?? '')))();
    this.#held.catch(() => {
      this.#held = null;
      this.#renewing = false;
    });
    return this.#held;
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
