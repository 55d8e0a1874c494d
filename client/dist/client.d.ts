import type { CallStats } from './stats.js';
import type { Events, Options, Snapshot } from './types.js';
/** Finds partners and keeps the call with each alive. */
export declare class HairpinClient {
    #private;
    /** Does nothing yet: no connection, no listeners, nothing stored. */
    constructor(options?: Options);
    get userId(): string;
    get snapshot(): Snapshot;
    get remoteStream(): MediaStream | null;
    get peerConnection(): RTCPeerConnection | null;
    /** Returns how to stop listening. */
    on<K extends keyof Events>(type: K, handler: (detail: Events[K]) => void): () => void;
    /** Looks for a partner until `stop()`, also after a partner left or the network failed. */
    find(): void;
    /** Leaves this partner for the next. */
    next(): void;
    /** Hangs up and leaves. */
    stop(): void;
    /** For a page at its start. True: it was reloaded, and there is a seat to come back to. */
    resume(): boolean;
    setStream(stream: MediaStream | null): Promise<void>;
    useDevice(kind: 'audioinput' | 'videoinput', deviceId: string): Promise<void>;
    shareScreen(): Promise<void>;
    stopScreen(): Promise<void>;
    /** Off is muted: the partner is told. */
    setMicrophone(on: boolean): void;
    setCamera(on: boolean): void;
    /** Relayed paths only. A running call changes its path. */
    get relayOnly(): boolean;
    set relayOnly(relayOnly: boolean);
    /** To the partner's `message` event, by the call itself. False: there is no way for it now. */
    send(data: string | ArrayBuffer): boolean;
    /** Null until there is a path. */
    stats(): Promise<CallStats | null>;
}
