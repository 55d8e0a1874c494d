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
/** Final until `find()`. `code`: replaced, flood, too_big, closed, or that of the error that told why. */
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
/** Whom somebody wants to meet. Attributes are those that the server declares. */
export interface Wishes {
    /** `global` (anybody), `buddies_first`, `buddies`, or a pool of the server's; by default `matchMode`. */
    readonly mode?: string;
    readonly buddies?: readonly string[];
    /** Beside those whom `block` remembers. */
    readonly blocked?: readonly string[];
    /** What one is: a choice, a number, or words. */
    readonly attributes?: Readonly<Record<string, string | number | readonly string[]>>;
    /** What the other one is to be. */
    readonly seeks?: Readonly<Record<string, 'anyone' | string | readonly string[] | {
        readonly within: number;
    }>>;
}
/** Only what the server said; null where it said nothing of it. */
export interface Queue {
    /** 1 is the next. */
    readonly position: number;
    /** How many wait, oneself included. */
    readonly waiting: number | null;
    /** How long it may take from then on. */
    readonly etaMs: number | null;
}
/** One waits in it for whoever has the code. */
export interface Room {
    readonly code: string;
    /** In milliseconds since 1970. */
    readonly expiresAt: number;
}
/** Written, and passed on by the server. */
export interface ChatMessage {
    readonly from: 'us' | 'partner';
    readonly text: string;
    /** In milliseconds since 1970. */
    readonly at: number;
    /** The server did not pass it on: too many in a short time, say. */
    readonly refused: boolean;
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
    /** What is wanted: one partner after another, or the one in a room. */
    readonly aim: 'partner' | 'room' | null;
    readonly server: ServerLink;
    /** Null until the server has confirmed our place. */
    readonly queue: Queue | null;
    /** Null until the server has made it, and as soon as somebody has come. */
    readonly room: Room | null;
    readonly session: Session | null;
    readonly partner: Partner | null;
    readonly local: Local;
    /** With this partner, the last 200. Kept nowhere else. */
    readonly chat: readonly ChatMessage[];
}
export interface Options {
    /** The folder in which the server's `ws` and `v1/ice` lie; by default the one this module was served from. */
    url?: string | URL;
    /** By default random, and kept in `storage` for the tab. With a `token` the server goes by that. */
    userId?: string;
    /** Who we are, for a server that wants to know; a function is asked again when one has run out. */
    token?: string | (() => Promise<string>);
    /** The `mode` where `find` is told none. */
    matchMode?: string;
    stream?: MediaStream;
    /** Relayed paths only. */
    relayOnly?: boolean;
    /** What `resume()` needs after a reload; by default sessionStorage, null for none. */
    storage?: Pick<Storage, 'getItem' | 'setItem' | 'removeItem'> | null;
    /** Where blocked users are remembered; by default localStorage, null for none. */
    blockStorage?: Pick<Storage, 'getItem' | 'setItem'> | null;
    /** For other runtimes and for tests. */
    webSocket?: typeof WebSocket;
    peerConnection?: typeof RTCPeerConnection;
}
export type LeftReason = 'skipped' | 'ended' | 'disconnected' | 'replaced' | 'expired' | 'shutdown'
/** The two could not be connected. */
 | 'no_path';
/** A TURN server that gave this side no relayed address: a firewall is in the way, or its certificate is not trusted. */
export interface Unreachable {
    /** As the hairpin server named it. */
    readonly url: string;
    /** What the browser says, for developers; empty if it says nothing. */
    readonly why: string;
}
/** What helps. */
export type Remedy = 
/** Nothing need be done: the client asks again by itself, after `retryAfterMs` where there is one. */
'wait'
/** To try again after `retryAfterMs`: the client does not by itself. */
 | 'later'
/** Another token. */
 | 'sign_in'
/** Another code of a room. */
 | 'other_code'
/** A programmer: what was asked for cannot be had so. */
 | 'mend';
export type ProblemCode = 'bad_message' | 'unknown_type' | 'invalid_field' | 'user_change' | 'user_taken' | 'replaced' | 'too_often' | 'token_missing' | 'token_invalid' | 'token_expired' | 'token_unverified' | 'wrong_user' | 'no_room' | 'barred' | 'flood' | 'shutting_down';
export interface Problem {
    readonly code: ProblemCode;
    readonly remedy: Remedy;
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
    /** `unreachable`, with `no_path`: all TURN servers, where there are some and none could be reached from here. */
    left: {
        readonly reason: LeftReason;
        readonly unreachable?: readonly Unreachable[];
    };
    /** The search is over, or, where `searching`, has begun again. `unanswered`: the page slept when a partner was found. */
    timeout: {
        readonly reason: 'nobody' | 'unanswered' | 'room_closed';
        readonly searching: boolean;
    };
    /** The partner has written. */
    chat: ChatMessage;
    /** The server has taken a report. */
    reported: {
        readonly sessionId: string;
    };
    /** From the partner's `send`. */
    message: string | ArrayBuffer;
    error: Problem;
}
