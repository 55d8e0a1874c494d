export { HairpinClient } from './client.js';
export { bitrate } from './stats.js';
export type { CallStats, Candidate, Quality } from './stats.js';
export type { ChatMessage, Events, LeftReason, Local, Options, Partner, Phase, Problem, ProblemCode, Queue, Remedy, Room, ServerLink, Session, Snapshot, Unreachable, Wishes, } from './types.js';
