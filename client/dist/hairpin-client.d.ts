export { HairpinClient } from './client.js';
export { bitrate } from './stats.js';
export type { CallStats, Candidate, Quality } from './stats.js';
export type { Events, LeftReason, Local, Options, Partner, Phase, Problem, ServerLink, Session, Snapshot, } from './types.js';
