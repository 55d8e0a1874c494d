import { useEffect, useRef, useState, useSyncExternalStore } from 'react';
import { HairpinClient } from './hairpin-client.js';
import type { Options, Snapshot } from './hairpin-client.js';

export interface Hairpin {
  /** Everything there is to show; a new object on every change. */
  readonly snapshot: Snapshot;
  /** For the `srcObject` of a video element. */
  readonly remoteStream: MediaStream | null;
  /** The same as long as the component is mounted. */
  readonly client: HairpinClient;
}

/**
 * A client that lives as long as the component. `options` are those of the first rendering; of later ones only
 * `stream` is looked at.
 */
export function useHairpin(options: Options = {}): Hairpin {
  // Making one does nothing: of the two that StrictMode makes, the other is dropped.
  const [client] = useState(() => new HairpinClient(options));
  const [subscribe] = useState(() => (changed: () => void) => {
    const stops = [client.on('change', changed), client.on('stream', changed)];
    return () => stops.forEach((stop) => stop());
  });
  const snapshot = useSyncExternalStore(subscribe, () => client.snapshot, () => client.snapshot);
  const remoteStream = useSyncExternalStore(subscribe, () => client.remoteStream, () => null);

  const leaving = useRef<ReturnType<typeof setTimeout>>(undefined);
  useEffect(() => {
    // StrictMode takes a component down and mounts it again in the same breath: that is no goodbye.
    clearTimeout(leaving.current);
    return () => {
      leaving.current = setTimeout(() => client.stop());
    };
  }, [client]);

  const { stream } = options;
  useEffect(() => {
    if (stream) void client.setStream(stream);
  }, [client, stream]);

  return { snapshot, remoteStream, client };
}
