import type { Options } from './types.js';

/** As many as the server takes with a request. */
export const MOST_BLOCKED = 200;

/** Whom this browser's user does not want to meet: given with each search, for a server that does not remember. */
export class Blocks {
  readonly #storage: Options['blockStorage'];
  readonly #key: string;
  #list: readonly string[] = [];

  constructor(storage: Options['blockStorage'], url: URL) {
    this.#storage = storage;
    this.#key = `hairpin-blocked ${url}`;
  }

  /** Another tab may have changed it. */
  get list(): readonly string[] {
    try {
      const read: unknown = JSON.parse(this.#store?.getItem(this.#key) ?? 'null');
      if (Array.isArray(read)) this.#list = read.filter((entry) => typeof entry === 'string').slice(-MOST_BLOCKED);
    } catch {
      // Forbidden, or not of our making.
    }
    return this.#list;
  }

  /** The oldest is forgotten where there are too many. */
  add(userId: string): void {
    this.#keep([...this.#without(userId), userId].slice(-MOST_BLOCKED));
  }

  remove(userId: string): void {
    this.#keep(this.#without(userId));
  }

  #without(userId: string): string[] {
    return this.list.filter((other) => other !== userId);
  }

  #keep(list: string[]): void {
    this.#list = list;
    try {
      this.#store?.setItem(this.#key, JSON.stringify(list));
    } catch {
      // Full, or forbidden: as long as the page.
    }
  }

  /** Reading the property alone throws where storage is forbidden. */
  get #store(): Options['blockStorage'] {
    return this.#storage === undefined ? globalThis.localStorage : this.#storage;
  }
}
