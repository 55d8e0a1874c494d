/**
 * What two browsers say to each other through the server. Three shapes of it are met in the wild:
 *
 *     {description: {type, sdp}}            {candidate: {candidate, sdpMid, …}}
 *     {type: 'offer', sdp}                  {type: 'candidate', candidate: {candidate, sdpMid, …}}
 *     {type: 'offer', sdp}                  {candidate: 'candidate:…', sdpMid, sdpMLineIndex}
 *
 * All are understood. Descriptions are sent in both shapes at once, candidates in the partner's, once it is known.
 */
export interface Signal {
  description?: RTCSessionDescriptionInit;
  candidate?: RTCIceCandidateInit;
  /** An older client asks the initiator for an ICE restart. */
  restart?: true;
  /** The sender begins anew at the server: what was on its way to it may be lost. */
  sync?: true;
  /** Counts the connections of one session; a higher one means that the partner has begun anew. */
  call?: number;
  /** Counts the offers of a connection; an answer repeats its offer's. */
  offer?: number;
}

export type Shape = 'nested' | 'typed' | 'flat';

type Fields = Record<string, unknown>;

export function write({ description, candidate, ...rest }: Signal, shape: Shape): object {
  if (description) {
    const { type, sdp } = description;
    return { type, sdp, description: { type, sdp }, ...rest };
  }
  if (!candidate) return rest;
  if (shape === 'typed') return { type: 'candidate', candidate, ...rest };
  return shape === 'flat' ? { ...candidate, ...rest } : { candidate, ...rest };
}

/** Never throws: a partner may send anything. */
export function read(signal: unknown): Signal {
  if (!isFields(signal)) return {};
  const { call, offer, restart, sync } = signal;
  const read: Signal = {};
  if (typeof call === 'number') read.call = call;
  if (typeof offer === 'number') read.offer = offer;
  if (restart === true) read.restart = true;
  if (sync === true) read.sync = true;
  const description = descriptionIn(signal.description) ?? descriptionIn(signal);
  if (description) read.description = description;
  const candidate = description ? null : candidateIn(signal);
  if (candidate) read.candidate = candidate;
  return read;
}

/** The shape in which a partner wants candidates; null if the signal does not tell. */
export function shapeOf(signal: unknown): Shape | null {
  if (!isFields(signal)) return null;
  if (typeof signal.candidate === 'string') return 'flat';
  if (signal.type === 'candidate') return 'typed';
  return isFields(signal.candidate) ? 'nested' : null;
}

function descriptionIn(value: unknown): RTCSessionDescriptionInit | null {
  if (!isFields(value)) return null;
  const { type, sdp } = value;
  return (type === 'offer' || type === 'answer') && typeof sdp === 'string' ? { type, sdp } : null;
}

/** The end of candidates, null or '', says nothing that we need. */
function candidateIn(signal: Fields): RTCIceCandidateInit | null {
  const init = isFields(signal.candidate) ? signal.candidate : signal;
  const { candidate, sdpMid, sdpMLineIndex, usernameFragment } = init;
  if (typeof candidate !== 'string' || !candidate) return null;
  const read: RTCIceCandidateInit = { candidate };
  if (typeof sdpMid === 'string') read.sdpMid = sdpMid;
  if (typeof sdpMLineIndex === 'number') read.sdpMLineIndex = sdpMLineIndex;
  if (typeof usernameFragment === 'string') read.usernameFragment = usernameFragment;
  return read;
}

function isFields(value: unknown): value is Fields {
  return typeof value === 'object' && value !== null;
}
