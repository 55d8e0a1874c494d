import type { Aim } from './aim.js';
import type { Options } from './types.js';

/** What outlives a reload of the page. */
export interface Remembered {
  userId?: string;
  /** A seat to come back to. */
  seat?: { token: string; epoch: string };
  aim?: Aim;
  pairToken?: string;
  placeToken?: string;
  /** The session we are in, and its connections so far. */
  session?: { id: string; calls: number; connectedAt: number | null };
}

/** Kept for this tab and this server. A browser may refuse to keep anything: then a reload begins anew. */
export class Memory {
  readonly #storage: NonNullable<Options['storage']> | null;
  readonly #key: string;
  #remembered: Remembered;
  #stored = '{}';

  constructor(storage: Options['storage'], url: URL) {
    this.#key = `hairpin-client ${url}`;
    this.#storage = storage === undefined ? tabStorage() : storage;
    this.#remembered = this.#read();
  }

  get remembered(): Readonly<Remembered> {
    return this.#remembered;
  }

  remember(more: { [K in keyof Remembered]: Remembered[K] | undefined }): void {
    this.#remembered = { ...this.#remembered, ...more } as Remembered;
    const text = JSON.stringify(this.#remembered);
    if (text === this.#stored) return;
    this.#stored = text;
    try {
      this.#storage?.setItem(this.#key, text);
    } catch {
      // Full, or forbidden.
    }
  }

  /** There is nothing to come back to. The user id stays the tab's. */
  leave(): void {
    const { userId } = this.#remembered;
    this.#remembered = {};
    this.remember({ userId });
  }

  #read(): Remembered {
    try {
      const text = this.#storage?.getItem(this.#key);
      const read: unknown = text ? JSON.parse(text) : null;
      return typeof read === 'object' && read !== null ? read : {};
    } catch {
      return {};
    }
  }
}

/** Reading the property alone throws where storage is forbidden. */
function tabStorage(): Storage | null {
  try {
    return globalThis.sessionStorage ?? null;
  } catch {
    return null;
  }
}

/** Unguessable: who knows it can take our place. Not randomUUID: that is missing where a page was opened over plain HTTP. */
export function newUserId(): string {
  return Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) => byte.toString(16).padStart(2, '0')).join('');
}
