import { MOST_BLOCKED } from './blocks.js';
import type { Wishes } from './types.js';
import type { Request } from './wire.js';

/** What somebody is here for. */
export type Aim =
  | { readonly kind: 'partner'; readonly wishes: Wishes }
  /** `code` is null where one's own room is to be made. */
  | { readonly kind: 'room'; readonly code: string | null };

/** Who asks, beside what is wished for. */
export interface Asker {
  /** Absent: the token says it. */
  readonly userId: string | undefined;
  readonly matchMode: string;
  readonly blocked: readonly string[];
  readonly placeToken: string | undefined;
}

/** How the server is asked for it. */
export function requestOf(aim: Aim, { userId, matchMode, blocked, placeToken }: Asker): Request {
  const whom = userId === undefined ? {} : { userId };
  if (aim.kind === 'room')
    return aim.code === null
      ? { type: 'create_room', data: whom }
      : { type: 'join_room', data: { ...whom, code: aim.code } };
  const { mode = matchMode, blocked: more = [], ...wishes } = aim.wishes;
  const all = [...new Set([...more, ...blocked])].slice(-MOST_BLOCKED);
  return {
    type: 'join_queue',
    data: { ...whom, matchMode: mode, ...wishes, ...(all.length && { blocked: all }), ...(placeToken && { placeToken }) },
  };
}
