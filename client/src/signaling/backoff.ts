const BASE_MS = 500;

/** Full jitter: after a restart of the server not everybody comes at once. */
export function backoff(attempt: number, capMs: number): number {
  return Math.random() * Math.min(capMs, BASE_MS * 2 ** attempt);
}
