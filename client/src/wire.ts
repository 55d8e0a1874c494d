/** What goes over the WebSocket, as the server's docs/signaling.md says. */

/** Requests that change something: numbered, acknowledged, and sent again after a lost connection. */
export type Request =
  | { type: 'join_queue'; data: { userId?: string; matchMode?: string; placeToken?: string } }
  | { type: 'leave_queue'; data: object }
  | { type: 'signal'; data: { sessionId: string; signal: unknown; targetUserId?: string } }
  | { type: 'skip'; data: { sessionId: string } }
  | { type: 'end_session'; data: { sessionId: string } };

/** The first message of a connection. */
export interface Hello {
  userId: string;
  resume?: { token: string; epoch: string; received?: number };
  pairToken?: string;
}

export interface Welcome {
  epoch: string;
  resumeToken: string;
  resumed: boolean;
  /** The highest id of ours that the server has processed. */
  received: number;
  resumeWindowMs: number;
  pingMs: { setup: number; idle: number };
}

interface Grant {
  iceServers: RTCIceServer[];
  /** In seconds. */
  iceTtl: number;
}

/** A session, as the server describes it to one of its sides. */
export interface Match extends Grant {
  sessionId: string;
  partnerId: string;
  isInitiator: boolean;
  pairToken?: string;
  /** 1: a client that says hello. Absent and 0: one of the old wire. */
  partnerProtocol?: number;
  partnerAway?: boolean;
}

/** What is said about a seat, each once and in order. Other types are to be ignored. */
export type SeatMessage =
  | { type: 'queued'; payload: { position: number; placeToken?: string } }
  | { type: 'match_found'; payload: Match }
  | { type: 'rejoined'; payload: Match }
  | { type: 'signal'; payload: { sessionId: string; signal: unknown } }
  | { type: 'partner_away'; payload: { sessionId: string } }
  | { type: 'partner_back'; payload: { sessionId: string } }
  | { type: 'partner_left'; payload: { sessionId: string; reason: string } }
  | { type: 'queue_timeout'; payload?: object }
  | { type: 'ice_servers'; payload: Grant }
  | { type: 'error'; payload: ServerError };

export interface ServerError {
  code: string;
  message: string;
  temporary: boolean;
  retryAfterMs?: number;
  id?: number;
}

/** What is said about the connection alone; these have no number. */
export type ConnectionMessage =
  | { type: 'welcome'; payload: Welcome }
  | { type: 'restart'; payload: { reason: string } }
  | { type: 'pong'; payload?: object }
  | { type: 'ack'; payload: { id: number } }
  | { type: 'goaway'; payload: { retryAfterMs: number } };

export type ServerMessage = (SeatMessage | ConnectionMessage) & { seq?: number };

/** The seat ends at once. */
export const GOODBYE = 1000;
/** "I come back": the seat stays. */
export const COMING_BACK = 4900;

/** Why a close by the server is final; null where a new connection may be tried. */
export function refusal(code: number): string | null {
  if (code === 4500) return 'replaced';
  if (code === 4501) return 'flood';
  if (code === 1009) return 'too_big';
  return code === 1000 || (code > 4501 && code < COMING_BACK) ? 'closed' : null;
}
