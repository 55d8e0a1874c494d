/** Virtual time: timers fire in order, at once, when the test says how far to go. */
export class Clock {
  #now = 1_000_000;
  #nextId = 1;
  readonly #timers = new Map<number, { at: number; every: number | null; run: () => void }>();
  readonly #real = {
    setTimeout: globalThis.setTimeout,
    clearTimeout: globalThis.clearTimeout,
    setInterval: globalThis.setInterval,
    clearInterval: globalThis.clearInterval,
    now: Date.now,
    random: Math.random,
  };

  /** In the place of the real one until `uninstall`. */
  install(): this {
    const add = (run: () => void, delay: number | undefined, repeat: boolean): number => {
      const id = this.#nextId++;
      const wait = Math.max(delay ?? 0, repeat ? 1 : 0);
      this.#timers.set(id, { at: this.#now + wait, every: repeat ? wait : null, run });
      return id;
    };
    const remove = (id?: number): void => void this.#timers.delete(id ?? 0);
    Object.assign(globalThis, {
      setTimeout: (run: () => void, delay?: number) => add(run, delay, false),
      setInterval: (run: () => void, delay?: number) => add(run, delay, true),
      clearTimeout: remove,
      clearInterval: remove,
    });
    Date.now = () => this.#now;
    // The longest wait that jitter can give.
    Math.random = () => 0.999;
    return this;
  }

  uninstall(): void {
    const { now, random, ...timers } = this.#real;
    Object.assign(globalThis, timers);
    Date.now = now;
    Math.random = random;
  }

  async advance(milliseconds: number): Promise<void> {
    const end = this.#now + milliseconds;
    await drain();
    for (;;) {
      const due = [...this.#timers].filter(([, { at }]) => at <= end).sort(([a, x], [b, y]) => x.at - y.at || a - b)[0];
      if (!due) break;
      const [id, timer] = due;
      this.#now = Math.max(this.#now, timer.at);
      if (timer.every === null) this.#timers.delete(id);
      else timer.at += timer.every;
      timer.run();
      await drain();
    }
    this.#now = end;
  }

  /** Goes on until it is so; fails after that much virtual time. */
  async until(condition: () => boolean, what: string, limit = 120_000): Promise<number> {
    const start = this.#now;
    while (!condition()) {
      if (this.#now - start > limit) throw new Error(`${what}: not within ${limit} ms`);
      await this.advance(5);
    }
    return this.#now - start;
  }

  get now(): number {
    return this.#now;
  }
}

/** Lets promises run. */
async function drain(): Promise<void> {
  for (let turn = 0; turn < 20; turn++) await Promise.resolve();
}
