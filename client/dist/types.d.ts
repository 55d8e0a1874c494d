/** Where a visitor is. */
export type Phase = 
/** Nothing is asked for. */
'idle'
/** A partner is asked for; `queue` says whether the server has confirmed it. */
 | 'looking'
/** A partner is there, and no media yet. */
 | 'pairing'
/** Media flows. */
 | 'connected'
/** It did, and does not now; the client is mending it. */
 | 'interrupted';
/** The way to the server. A call that works goes on without it. */
export type ServerLink = 
/** Not wanted. */
{
    readonly state: 'closed';
} | {
    readonly state: 'connecting';
} | {
    readonly state: 'open';
}
/** `retryAt` in milliseconds since 1970. */
 | {
    readonly state: 'retrying';
    readonly retryAt: number;
}
/** Final until `find()`. `code`: replaced, flood, too_big, closed. */
 | {
    readonly state: 'refused';
    readonly code: string;
};
export interface Session {
    readonly id: string;
    readonly partnerId: string;
    readonly isInitiator: boolean;
    /** When media flowed first, in milliseconds since 1970. */
    readonly connectedAt: number | null;
}
/** What the partner told; null where it did not. */
export interface Partner {
    /** The server has lost sight of the partner, and waits for it. */
    readonly away: boolean;
    readonly microphone: boolean | null;
    readonly camera: boolean | null;
    readonly screen: boolean;
}
/** What of ours the partner hears and sees. */
export interface Local {
    readonly microphone: boolean;
    readonly camera: boolean;
    readonly screen: boolean;
}
/** The whole state at one moment. Immutable: every change is a new object. */
export interface Snapshot {
    readonly phase: Phase;
    readonly server: ServerLink;
    /** Only what the server said: null until it has confirmed our place. */
    readonly queue: {
        readonly position: number;
    } | null;
    readonly session: Session | null;
    readonly partner: Partner | null;
    readonly local: Local;
}
export interface Options {
    /** The folder in which the server's `ws` and `v1/ice` lie; by default the one this module was served from. */
    url?: string | URL;
    /** By default random, and kept in `storage` for the tab. */
    userId?: string;
    /** Only those who name the same one meet. */
    matchMode?: string;
    stream?: MediaStream;
    /** Relayed paths only. */
    relayOnly?: boolean;
    /** What `resume()` needs after a reload; by default sessionStorage, null for none. */
    storage?: Pick<Storage, 'getItem' | 'setItem' | 'removeItem'> | null;
    /** For other runtimes and for tests. */
    webSocket?: typeof WebSocket;
    peerConnection?: typeof RTCPeerConnection;
}
export type LeftReason = 'skipped' | 'ended' | 'disconnected' | 'replaced' | 'expired' | 'shutdown'
/** The two could not be connected. */
 | 'no_path';
export interface Problem {
    readonly code: string;
    readonly temporary: boolean;
    readonly retryAfterMs?: number;
    /** For developers, never for visitors. */
    readonly message: string;
}
export interface Events {
    change: Snapshot;
    /** What to show of the partner; null when it is gone. */
    stream: MediaStream | null;
    /** A new partner. */
    partner: Session;
    left: {
        readonly reason: LeftReason;
    };
    /** Nobody came; the phase is idle. */
    timeout: null;
    /** From the partner's `send`. */
    message: string | ArrayBuffer;
    error: Problem;
}
