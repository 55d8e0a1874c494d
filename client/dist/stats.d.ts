/** One end of the path. */
export interface Candidate {
    readonly type: string;
    readonly protocol: string;
    readonly relayProtocol?: string;
    readonly address?: string;
    readonly port?: number;
    readonly url?: string;
}
export type Quality = 'good' | 'fair' | 'poor' | 'none';
/** What getStats says about a call, distilled to what people show. */
export interface CallStats {
    /** In milliseconds since 1970. */
    readonly at: number;
    readonly path: 'direct' | 'relayed';
    /** How our end reaches the network: udp, tcp, tls. */
    readonly transport: string;
    readonly local: Candidate;
    readonly remote: Candidate;
    readonly relayedBy: readonly ('us' | 'partner')[];
    /** In seconds. */
    readonly roundTrip: number | undefined;
    /** Bytes and packets are the selected pair's. */
    readonly bytesSent: number;
    readonly bytesReceived: number;
    readonly packetsSent: number;
    readonly packetsReceived: number;
    /** Media packets that should have come, and those that did not. */
    readonly packetsExpected: number;
    readonly packetsLost: number;
    readonly video: {
        readonly width: number;
        readonly height: number;
        readonly fps: number;
        readonly framesDecoded: number;
    };
    readonly quality: Quality;
}
/** Null until a candidate pair is selected. `before` is the last reading, for what only a difference shows. */
export declare function callStats(pc: RTCPeerConnection, before: CallStats | null): Promise<CallStats | null>;
/** Bits per second between two readings. */
export declare function bitrate(now: CallStats, before: CallStats, key: 'bytesSent' | 'bytesReceived'): number;
export interface Signs {
    /** Grows as long as anything comes from the partner, be it only checks that it is there. */
    readonly heard: number;
    /** Null until a path is selected. */
    readonly relayed: boolean | null;
}
/** What tells whether the call lives, and by which way. */
export declare function signsOfLife(pc: RTCPeerConnection): Promise<Signs>;
/** Where people begin to talk over each other (round trip), and where sound begins to break (loss). */
export declare function quality(now: Omit<CallStats, 'quality'>, before: CallStats | null): Quality;
