/**
 * Signs that the network may be another one now.
 * `moved`: the browser says so. `look`: it may be; asking the server costs little.
 */
export type NetworkSign = 'moved' | 'look';

interface NetworkInformation extends EventTarget {
  /** Not on every platform. */
  readonly type?: string;
}

/** Returns how to stop watching. Outside a browser there is nothing to watch. */
export function watchNetwork(heard: (sign: NetworkSign) => void): () => void {
  if (typeof addEventListener !== 'function' || typeof document === 'undefined') return () => {};
  const stop = new AbortController();
  const { signal } = stop;
  addEventListener('online', () => heard('moved'), { signal });
  const shown = (): void => {
    if (document.visibilityState === 'visible') heard('look');
  };
  document.addEventListener('visibilitychange', shown, { signal });
  // Back from the cache of pages: timers stood still.
  addEventListener('pageshow', ({ persisted }) => persisted && heard('look'), { signal });
  const connection = (globalThis.navigator as { connection?: NetworkInformation } | undefined)?.connection;
  let type = connection?.type;
  const changed = (): void => {
    // Also fires for new guesses of the speed; only another type is another network for sure.
    heard(connection?.type === type ? 'look' : 'moved');
    type = connection?.type;
  };
  connection?.addEventListener?.('change', changed, { signal });
  return () => stop.abort();
}
