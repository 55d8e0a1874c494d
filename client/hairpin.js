// @ts-check
/**
 * A client for a hairpin server: one WebSocket, one partner at a time, one RTCPeerConnection for each partner.
 *
 *     const client = new HairpinClient({ userId: 'ada', stream });
 *     client.addEventListener('stream', ({ detail }) => { video.srcObject = detail; });
 *     client.find();
 *
 * @typedef {'idle' | 'connecting' | 'queued' | 'pairing' | 'connected' | 'interrupted'} State
 * @typedef {{ id: string, partnerId: string, isInitiator: boolean }} Session
 * @typedef {{
 *   description?: RTCSessionDescriptionInit, candidate?: RTCIceCandidateInit, restart?: true, call?: number,
 * }} Signal
 *   `call` counts the connections of one session; a higher one than ours means that the partner has begun anew.
 */

/** Both sides get this long to connect, or to recover, before the next partner is asked for. */
const PATIENCE_MS = 30_000;
/** A path that is silent this long after the browser noticed gets an ICE restart. */
const RESTART_AFTER_MS = 5_000;
const RECONNECT_BASE_MS = 500;
const RECONNECT_MAX_MS = 20_000;

/**
 * Events, each a CustomEvent: `state` (State), `queued` (position), `partner` (Session), `stream` (MediaStream),
 * `left` (the server's reason), `timeout` (nobody came), `notice` ({ code, message }).
 */
export class HairpinClient extends EventTarget {
  /** @type {State} */ state = 'idle';
  /** @type {Session | null} */ session = null;
  /** @type {RTCPeerConnection | null} */ pc = null;
  /** What is sent to the partner. Has at least one track when `find` is called. @type {MediaStream | null} */ stream;

  #base;
  #userId;
  #matchMode;
  #relayOnly;
  /** @type {WebSocket | null} */ #socket = null;
  #wanted = false;
  #attempt = 0;
  #call = 0;
  /** @type {RTCIceServer[]} */ #iceServers = [];
  /** @type {number | undefined} */ #reconnectTimer;
  /** What was asked of the server last. @type {{ type: string, data: object } | null} */ #asked = null;
  /** @type {number | undefined} */ #askTimer;
  /** @type {number | undefined} */ #restartTimer;
  /** @type {number | undefined} */ #patienceTimer;
  /** Candidates that overtook their description. @type {RTCIceCandidateInit[]} */ #early = [];
  /** Signals are handled one after another, in the order they came. */ #signals = Promise.resolve();

  /**
   * @param {{ userId: string, stream?: MediaStream, matchMode?: string, relayOnly?: boolean, base?: string }} options
   *   `base` is the URL the server's `ws` and `v1/ice` lie under; by default the folder of the current page.
   */
  constructor({ userId, stream, matchMode = 'default', relayOnly = false, base = document.baseURI }) {
    super();
    this.stream = stream ?? null;
    this.#base = base;
    this.#userId = userId;
    this.#matchMode = matchMode;
    this.#relayOnly = relayOnly;
  }

  /** Looks for a partner until `stop`, also after a partner left or the network failed. */
  find() {
    this.#wanted = true;
    this.#attempt = 0;
    clearTimeout(this.#reconnectTimer);
    clearTimeout(this.#askTimer);
    if (this.#socket?.readyState === WebSocket.OPEN) this.#join();
    else if (!this.#socket) this.#connect();
  }

  /** Leaves this partner; the server queues us again by itself. */
  next() {
    if (!this.session) return;
    this.#ask('skip', { sessionId: this.session.id });
    this.#hangUp();
    this.#become('queued');
  }

  /** Leaves the partner or the queue, and the server. */
  stop() {
    this.#wanted = false;
    clearTimeout(this.#reconnectTimer);
    clearTimeout(this.#askTimer);
    if (this.session) this.#send('end_session', { sessionId: this.session.id });
    else this.#send('leave_queue', {});
    this.#hangUp();
    const socket = this.#socket;
    this.#socket = null;
    socket?.close(1000);
    this.#become('idle');
  }

  /** Relayed paths only. A running call gets a new connection: an ICE restart would keep a direct pair that works. */
  get relayOnly() {
    return this.#relayOnly;
  }
  set relayOnly(value) {
    if (this.#relayOnly === value) return;
    this.#relayOnly = value;
    if (this.session) void this.#reopen(this.#call + 1);
  }

  // -- signaling ---------------------------------------------------------------------------------

  #connect() {
    this.#become('connecting');
    const url = new URL('ws', this.#base);
    url.protocol = url.protocol.replace('http', 'ws');
    const socket = (this.#socket = new WebSocket(url));
    socket.onopen = () => {
      if (socket === this.#socket) this.#join();
    };
    socket.onmessage = ({ data }) => {
      if (socket === this.#socket) this.#receive(JSON.parse(data));
    };
    socket.onclose = ({ code, reason }) => {
      if (socket === this.#socket) this.#lost(code, reason);
    };
  }

  #join() {
    this.#ask('join_queue', { userId: this.#userId, matchMode: this.#matchMode });
  }

  /** Asks for a partner. @param {string} type @param {object} data */
  #ask(type, data) {
    this.#asked = { type, data };
    this.#send(type, data);
  }

  /** The same once more, when the server will grant it. @param {number} wait in milliseconds */
  #askAgain(wait) {
    const asked = this.#asked;
    clearTimeout(this.#askTimer);
    // A little later, and not everybody behind one address at once.
    this.#askTimer = setTimeout(() => {
      if (asked && asked === this.#asked && this.#wanted && !this.session) this.#ask(asked.type, asked.data);
    }, wait * (1 + Math.random() / 2));
    const seconds = Math.ceil(wait / 1000);
    const message = `That was too fast. Looking for the next partner in ${seconds} second${seconds === 1 ? '' : 's'}.`;
    this.#emit('notice', { code: 'too_often', message });
  }

  /**
   * The server has ended our session with the socket, so the call ends here too.
   * @param {number} code
   * @param {string} reason
   */
  #lost(code, reason) {
    this.#socket = null;
    if (!this.#wanted) return;
    this.#hangUp();
    if (mayReconnect(code)) {
      this.#become('connecting');
      // Full jitter: after a restart of the server not everybody comes at once.
      const ceiling = Math.min(RECONNECT_MAX_MS, RECONNECT_BASE_MS * 2 ** this.#attempt++);
      this.#reconnectTimer = setTimeout(() => this.#connect(), Math.random() * ceiling);
    } else {
      this.#wanted = false;
      this.#become('idle');
      this.#emit('notice', { code: 'closed', message: reason || 'The server closed the connection.' });
    }
  }

  /** @param {{ type: string, payload?: any }} message */
  #receive({ type, payload = {} }) {
    switch (type) {
      case 'queued':
        this.#attempt = 0;
        this.#become('queued');
        return this.#emit('queued', payload.position);
      case 'match_found':
        this.#attempt = 0;
        return this.#meet(payload);
      case 'signal':
        if (payload.sessionId === this.session?.id) this.#enqueue(payload.signal);
        return;
      case 'partner_left':
        if (payload.sessionId !== this.session?.id) return;
        this.#hangUp();
        this.#become('queued');
        this.#emit('left', payload.reason);
        return this.#join();
      case 'queue_timeout':
        this.#wanted = false;
        this.#become('idle');
        return this.#emit('timeout', null);
      case 'error':
        if (payload.code === 'too_often' && this.#wanted && !this.session) return this.#askAgain(payload.retryAfterMs);
        return this.#emit('notice', payload);
    }
  }

  /** @param {string} type @param {object} data */
  #send(type, data) {
    if (this.#socket?.readyState === WebSocket.OPEN) this.#socket.send(JSON.stringify({ type, data }));
  }

  /** @param {Signal} signal */
  #signal(signal) {
    if (!this.session) return;
    const { id: sessionId, partnerId: targetUserId } = this.session;
    this.#send('signal', { sessionId, targetUserId, signal: { ...signal, call: this.#call } });
  }

  // -- the call ----------------------------------------------------------------------------------

  /** @param {{ sessionId: string, partnerId: string, isInitiator: boolean, iceServers: RTCIceServer[] }} match */
  #meet({ sessionId, partnerId, isInitiator, iceServers }) {
    this.#hangUp();
    this.session = { id: sessionId, partnerId, isInitiator };
    this.#iceServers = iceServers;
    this.#open(1);
    this.#emit('partner', this.session);
  }

  /** @param {number} call */
  #open(call) {
    this.pc?.close();
    this.#call = call;
    this.#early = [];
    // max-bundle: one transport from the start, so one allocation per TURN URL and not one per medium.
    const bundlePolicy = 'max-bundle';
    const iceServers = this.#iceServers;
    const pc = (this.pc = new RTCPeerConnection({ iceServers, bundlePolicy, iceTransportPolicy: this.#policy() }));
    pc.ontrack = ({ streams }) => this.#emit('stream', streams[0]);
    pc.onicecandidate = ({ candidate }) => {
      if (candidate && pc === this.pc) this.#signal({ candidate: candidate.toJSON() });
    };
    pc.onconnectionstatechange = () => this.#watch(pc);
    // Only the initiator ever offers, so offers cannot cross; the other side asks for a restart when it needs one.
    if (this.session?.isInitiator) pc.onnegotiationneeded = () => this.#describe(pc);
    this.stream?.getTracks().forEach((track) => pc.addTrack(track, /** @type {MediaStream} */ (this.stream)));
    this.#wait();
    this.#become('pairing');
  }

  /** @param {number} call */
  async #reopen(call) {
    const session = this.session;
    await this.#renew();
    if (session !== this.session || call <= this.#call) return;
    this.#open(call);
    this.#signal({});
  }

  #hangUp() {
    clearTimeout(this.#restartTimer);
    clearTimeout(this.#patienceTimer);
    this.#patienceTimer = undefined;
    this.pc?.close();
    this.pc = this.session = null;
    this.#signals = Promise.resolve();
  }

  /** @param {RTCPeerConnection} pc */
  #watch(pc) {
    if (pc !== this.pc) return;
    clearTimeout(this.#restartTimer);
    if (pc.connectionState === 'connected') {
      clearTimeout(this.#patienceTimer);
      this.#patienceTimer = undefined;
      this.#become('connected');
    } else if (pc.connectionState === 'disconnected' || pc.connectionState === 'failed') {
      this.#wait();
      this.#become('interrupted');
      const delay = pc.connectionState === 'failed' ? 0 : RESTART_AFTER_MS;
      this.#restartTimer = setTimeout(() => this.#restart(pc), delay);
    }
  }

  #wait() {
    this.#patienceTimer ??= setTimeout(() => {
      this.#emit('notice', { code: 'no_path', message: 'No connection to this partner. Looking for another.' });
      this.next();
    }, PATIENCE_MS);
  }

  /** @param {RTCPeerConnection} pc */
  async #restart(pc) {
    await this.#refresh(pc);
    if (pc !== this.pc) return;
    if (this.session?.isInitiator) pc.restartIce();
    else this.#signal({ restart: true });
  }

  /** Fresh credentials for the candidates to come. @param {RTCPeerConnection} pc */
  async #refresh(pc) {
    await this.#renew();
    if (pc === this.pc) pc.setConfiguration({ ...pc.getConfiguration(), iceServers: this.#iceServers });
  }

  /** Without an answer the old credentials have to do. */
  async #renew() {
    try {
      const answer = await fetch(new URL('v1/ice', this.#base), { signal: AbortSignal.timeout(3000) });
      if (answer.ok) this.#iceServers = (await answer.json()).iceServers;
    } catch {
      // Offline or too slow.
    }
  }

  /** Makes an offer or an answer, whichever is due, and sends it. @param {RTCPeerConnection} pc */
  async #describe(pc) {
    await pc.setLocalDescription();
    if (pc === this.pc && pc.localDescription) this.#signal({ description: pc.localDescription });
  }

  /** @param {Signal} signal */
  #enqueue(signal) {
    const session = this.session;
    this.#signals = this.#signals
      .then(() => (session === this.session ? this.#apply(signal) : undefined))
      .catch((error) => {
        if (session === this.session) this.#emit('notice', { code: 'bad_signal', message: String(error) });
      });
  }

  /** @param {Signal} signal */
  async #apply({ description, candidate, restart, call = this.#call }) {
    if (call > this.#call) await this.#reopen(call);
    const pc = this.pc;
    if (!pc || call < this.#call) return;
    if (restart && this.session?.isInitiator) return this.#restart(pc);
    if (candidate) {
      if (pc.remoteDescription) await addCandidate(pc, candidate);
      else this.#early.push(candidate);
    }
    if (!description) return;
    if (description.type === 'offer' && pc.remoteDescription) await this.#refresh(pc);
    await pc.setRemoteDescription(description);
    for (const early of this.#early.splice(0)) await addCandidate(pc, early);
    if (description.type === 'offer') await this.#describe(pc);
  }

  // -- small things ------------------------------------------------------------------------------

  /** @returns {RTCIceTransportPolicy} */
  #policy() {
    return this.#relayOnly ? 'relay' : 'all';
  }

  /** @param {State} state */
  #become(state) {
    if (this.state === state) return;
    this.state = state;
    this.#emit('state', state);
  }

  /** @param {string} type @param {unknown} detail */
  #emit(type, detail) {
    this.dispatchEvent(new CustomEvent(type, { detail }));
  }
}

/**
 * Whether a close code invites us back: not after a plain goodbye, a message too big,
 * or one of the server's final codes.
 * @param {number} code
 */
function mayReconnect(code) {
  return code !== 1000 && code !== 1009 && !(code >= 4500 && code < 5000);
}

/**
 * One from before an ICE restart is refused, and no loss.
 * @param {RTCPeerConnection} pc
 * @param {RTCIceCandidateInit} candidate
 */
async function addCandidate(pc, candidate) {
  await pc.addIceCandidate(candidate).catch(() => {});
}
