import type { Request } from '../wire.js';

export type Numbered = Request & { id: number };

/** Requests that the server has not acknowledged, in order. Ids are 1, 2, 3, … without gaps, anew for each epoch. */
export class Outbox {
  #waiting: Numbered[] = [];
  #nextId = 1;

  add(request: Request): Numbered {
    const numbered = { ...request, id: this.#nextId++ };
    this.#waiting.push(numbered);
    return numbered;
  }

  /** The server has processed all up to `id`. */
  acknowledge(id: number): void {
    this.#waiting = this.#waiting.filter((request) => request.id > id);
  }

  get waiting(): readonly Numbered[] {
    return this.#waiting;
  }

  /** The server has forgotten our numbers. Nobody knows what of this it had processed. */
  restart(): void {
    this.#waiting = [];
    this.#nextId = 1;
  }
}
