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
export declare function useHairpin(options?: Options): Hairpin;
