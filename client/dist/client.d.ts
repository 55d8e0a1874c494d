import type { CallStats } from './stats.js';
import type { Events, Options, Snapshot, Wishes } from './types.js';
/** Finds partners and keeps the call with each alive. */
export declare class HairpinClient {
    #private;
    /** Does nothing yet: no connection, no listeners, nothing stored. */
    constructor(options?: Options);
    /** Who we are to the server, unless a token says it. */
    get userId(): string;
    get snapshot(): Snapshot;
    get remoteStream(): MediaStream | null;
    get peerConnection(): RTCPeerConnection | null;
    /** Returns how to stop listening. */
    on<K extends keyof Events>(type: K, handler: (detail: Events[K]) => void): () => void;
    /** Looks for a partner until `stop()`, also after a partner left or the network failed. In a call: for the next one. */
    find(wishes?: Wishes): void;
    /** Makes a room and waits there, instead of what there is. Its code is in the snapshot as soon as the server tells it. */
    createRoom(): void;
    /** Meets who waits in the room of that code, instead of whom there is. */
    joinRoom(code: string): void;
    /** Leaves this partner for the next; one from a room for anybody. */
    next(): void;
    /** Hangs up and leaves. */
    stop(): void;
    /** For a page at its start. True: it was reloaded, and there is a seat to come back to. */
    resume(): boolean;
    /** Writes to the partner, by the server. False: not possible now, or not of that length. */
    sendMessage(text: string): boolean;
    /** Tells the server about the partner there is, or was last, or had in that session. False: it cannot be told now. */
    report(reason: string, sessionId?: string | undefined): boolean;
    /** Never again: the partner there is, or was last, or that user. One who is there is left at once. */
    block(userId?: string | undefined): void;
    unblock(userId: string): void;
    /** Whom this browser remembers as blocked. */
    get blocked(): readonly string[];
    /** By the call itself, without the server, to the partner's `message` event. False: there is no way for it now. */
    send(data: string | ArrayBuffer): boolean;
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
    /** Null until there is a path. */
    stats(): Promise<CallStats | null>;
}
