import type { Problem, Remedy } from './types.js';
import type { ServerError } from './wire.js';

const REMEDIES: Record<string, Remedy> = {
  barred: 'later',
  too_often: 'later',
  no_room: 'other_code',
  token_missing: 'sign_in',
  token_invalid: 'sign_in',
  token_expired: 'sign_in',
  wrong_user: 'sign_in',
};

/** `again`: it is asked for again by itself. */
export function problemOf({ code, temporary, retryAfterMs, message }: ServerError, again: boolean): Problem {
  const remedy = again ? 'wait' : REMEDIES[code] ?? (temporary ? 'wait' : 'mend');
  return { code: code as Problem['code'], remedy, temporary, message, ...(retryAfterMs !== undefined && { retryAfterMs }) };
}
