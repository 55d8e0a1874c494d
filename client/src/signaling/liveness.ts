/** How long the server has to say anything after a ping. */
const ANSWER_MS = 3000;
/** A timer this late means that the page slept: what came meanwhile is still to be delivered. */
const LATE_MS = 1000;

export type Pace = 'setup' | 'idle';

/**
 * Finds out that a connection is dead. A page sees no WebSocket pings, and over a dead path its socket stays
 * "open" for a quarter of an hour: only a message that is answered tells.
 */
export class Liveness {
  readonly #ping: () => void;
  readonly #dead: () => void;
  #intervals: Record<Pace, number> = { setup: 3000, idle: 15_000 };
  #pace: Pace = 'setup';
  #running = false;
  #next: ReturnType<typeof setTimeout> | undefined;
  #answer: ReturnType<typeof setTimeout> | undefined;
  #due = 0;

  constructor(ping: () => void, dead: () => void) {
    this.#ping = ping;
    this.#dead = dead;
  }

  start(intervals: Record<Pace, number>): void {
    this.stop();
    this.#intervals = intervals;
    this.#running = true;
    this.#schedule();
  }

  stop(): void {
    this.#running = false;
    clearTimeout(this.#next);
    this.heard();
  }

  /** Anything came. */
  heard(): void {
    clearTimeout(this.#answer);
    this.#answer = undefined;
  }

  set pace(pace: Pace) {
    if (pace === this.#pace) return;
    this.#pace = pace;
    if (!this.#running) return;
    // When something begins or breaks, an earlier answer is worth little.
    if (pace === 'setup') this.probe();
    else this.#schedule();
  }

  /** Asks now. */
  probe(answerMs = ANSWER_MS): void {
    if (!this.#running) return;
    this.#ping();
    this.#expect(answerMs);
    this.#schedule();
  }

  /** An earlier ping's deadline stands: asking again is no answer. */
  #expect(answerMs: number): void {
    const due = Date.now() + answerMs;
    if (this.#answer !== undefined && this.#due <= due) return;
    clearTimeout(this.#answer);
    this.#due = due;
    this.#answer = setTimeout(() => {
      this.#answer = undefined;
      if (Date.now() - due > LATE_MS) this.probe();
      else this.#dead();
    }, answerMs);
  }

  #schedule(): void {
    clearTimeout(this.#next);
    this.#next = setTimeout(() => this.probe(), this.#intervals[this.#pace]);
  }
}
