/** What goes over the WebSocket, as the server's docs/protocol.md says. */

/** Requests that change something: numbered, acknowledged, and sent again after a lost connection. */
export type Request =
  | { type: 'join_queue'; data: Whom & Wishes & { matchMode?: string; placeToken?: string } }
  | { type: 'leave_queue'; data: object }
  | { type: 'signal'; data: { sessionId: string; signal: unknown; targetUserId?: string } }
  | { type: 'skip'; data: { sessionId: string } }
  | { type: 'end_session'; data: { sessionId: string } }
  | { type: 'create_room'; data: Whom }
  | { type: 'join_room'; data: Whom & { code: string } }
  | { type: 'message'; data: { sessionId: string; text: string } }
  | { type: 'report'; data: { sessionId?: string; reason: string } }
  | { type: 'block'; data: { userId?: string } }
  | { type: 'unblock'; data: { userId: string } }
  | { type: 'path'; data: { sessionId: string; relayed: boolean } };

/** Absent: whoever the `hello` spoke of. */
interface Whom {
  userId?: string;
}

/** Whom somebody wants to meet; the server knows what attributes there are. */
interface Wishes {
  buddies?: readonly string[];
  blocked?: readonly string[];
  attributes?: object;
  seeks?: object;
}

/** The first message of a connection. */
export interface Hello extends Whom {
  token?: string;
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

export interface Waiting {
  position: number;
  waiting?: number;
  etaMs?: number;
  placeToken?: string;
}

/** What is said about a seat, each once and in order. Other types are to be ignored. */
export type SeatMessage =
  | { type: 'queued'; payload: Waiting }
  | { type: 'match_found'; payload: Match }
  | { type: 'rejoined'; payload: Match }
  | { type: 'signal'; payload: { sessionId: string; signal: unknown } }
  | { type: 'partner_away'; payload: { sessionId: string } }
  | { type: 'partner_back'; payload: { sessionId: string } }
  | { type: 'partner_left'; payload: { sessionId: string; reason: string } }
  | { type: 'queue_timeout'; payload?: { reason?: string } }
  | { type: 'room_created'; payload: { code: string; expiresInMs: number } }
  | { type: 'room_closed'; payload: { code: string } }
  | { type: 'message'; payload: { sessionId: string; text: string } }
  | { type: 'reported'; payload: { sessionId: string } }
  | { type: 'blocked'; payload: { userId: string } }
  | { type: 'unblocked'; payload: { userId: string } }
  | { type: 'token_expiring'; payload: { expiresInMs: number } }
  | { type: 'token_renewed'; payload: { expiresInMs: number } }
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
  | { type: 'match_offer'; payload?: object }
  | { type: 'pong'; payload?: object }
  | { type: 'ack'; payload: { id: number } }
  | { type: 'goaway'; payload: { retryAfterMs: number } };

export type ServerMessage = (SeatMessage | ConnectionMessage) & { seq?: number };

/** The seat ends at once. */
export const GOODBYE = 1000;
/** "I come back": the seat stays. */
export const COMING_BACK = 4900;

/** The token has run out: no new connection without a new one. */
export const TOKEN_OVER = 4502;

/** Why a close by the server is final; null where a new connection may be tried. */
export function refusal(code: number): string | null {
  if (code === 4500) return 'replaced';
  if (code === 4501) return 'flood';
  if (code === TOKEN_OVER) return 'token_expired';
  if (code === 1009) return 'too_big';
  return code === 1000 || (code > TOKEN_OVER && code < COMING_BACK) ? 'closed' : null;
}
