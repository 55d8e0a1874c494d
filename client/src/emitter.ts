/** Typed events. A handler that throws is reported, and keeps no other from hearing. */
export class Emitter<Events> {
  readonly #handlers = new Map<keyof Events, Set<(detail: never) => void>>();

  /** Returns how to stop listening. */
  on<K extends keyof Events>(type: K, handler: (detail: Events[K]) => void): () => void {
    // A function of its own for each call: the same handler may be added twice, and stopped once.
    const own = (detail: Events[K]): void => handler(detail);
    const handlers = this.#handlers.get(type) ?? new Set();
    handlers.add(own);
    this.#handlers.set(type, handlers);
    return () => void handlers.delete(own);
  }

  emit<K extends keyof Events>(type: K, detail: Events[K]): void {
    for (const handler of [...(this.#handlers.get(type) ?? [])]) {
      try {
        handler(detail as never);
      } catch (error) {
        // As an exception in an event handler of the browser's own: seen by `onerror`, stopping nothing.
        queueMicrotask(() => {
          throw error;
        });
      }
    }
  }
}
