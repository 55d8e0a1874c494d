import type { Connection, Server } from './wire.js';

interface Seat {
  user: string;
  token: string;
  earlier: string | null;
  connection: Connection | null;
  seq: number;
  sent: { seq: number; type: string; payload: object }[];
  received: number;
  waiting: boolean;
  /** The code of the room it waits in. */
  room: string | null;
  session: Session | null;
  last: string | null;
}

interface Session {
  id: string;
  users: [string, string];
}

/** As much of a hairpin server as a client can notice, in one room without a network. */
export class FakeHairpin implements Server {
  epoch = 'epoch-1';
  /** Of the time before seats. */
  oldWire = false;
  /** Everything the clients signalled, as it was passed on. */
  readonly passed: { from: string; signal: unknown }[] = [];
  readonly iceServers: RTCIceServer[] = [];
  /** Answers the next request of this type with this error, and does nothing else. */
  refusal: { type: string; error: object } | null = null;
  /** All that people have asked for, but signals. */
  readonly asked: { user: string; type: string; data: any }[] = [];
  /** Whose a token is, or the code of the error it gets. Where nobody says so, tokens are not looked at. */
  whose: ((token: string | undefined) => { user: string } | { code: string; retryAfterMs?: number }) | null = null;
  /** Who is to meet is asked first, and is given 3 s. */
  offers = false;
  readonly #seats = new Map<string, Seat>();
  readonly #byConnection = new Map<number, Seat>();
  #tokens = 0;
  #sessions = 0;
  #rooms = 0;

  opened(): void {}

  received(connection: Connection, message: any): void {
    if (message.type === 'hello') return this.#hello(connection, message.data);
    if (this.oldWire && !this.#byConnection.has(connection.id) && message.type === 'join_queue')
      this.#serve(connection, this.#take(message.data.userId));
    const seat = this.#byConnection.get(connection.id);
    if (!seat || seat.connection?.id !== connection.id) return;
    seat.earlier = null;
    if (message.ack !== undefined) seat.sent = seat.sent.filter(({ seq }) => seq > message.ack);
    if (message.type === 'ping') return connection.send({ type: 'pong', payload: {} });
    if (message.type === 'ack') return;
    if (message.type === 'accept') return void this.#accepted.get(seat.user)?.();
    if (message.type === 'renew_token') return this.#renew(seat, message.data.token);
    if (message.id !== undefined) {
      if (message.id > seat.received + 1) throw new Error(`gap: ${message.id} after ${seat.received}`);
      const known = message.id <= seat.received;
      if (!known) seat.received = message.id;
      connection.send({ type: 'ack', payload: { id: seat.received } });
      if (known) return;
    }
    this.#request(seat, message);
  }

  closed(connection: Connection, code: number | null): void {
    const seat = this.#byConnection.get(connection.id);
    this.#byConnection.delete(connection.id);
    if (!seat || seat.connection?.id !== connection.id) return;
    seat.connection = null;
    if (code === 1000 || this.oldWire) return this.expire(seat.user, code === 1000 ? 'ended' : 'disconnected');
    this.#partner(seat, 'partner_away');
  }

  /** The resume window of a seat is over. */
  expire(user: string, reason = 'disconnected'): void {
    const seat = this.#seats.get(user);
    if (!seat) return;
    this.#seats.delete(user);
    this.#end(seat, reason);
  }

  /** A new process on the same address: it knows nobody. */
  restart(): void {
    this.epoch += '+';
    this.#seats.clear();
    this.#byConnection.clear();
  }

  push(user: string, type: string, payload: object): void {
    const seat = this.#seats.get(user);
    if (seat) this.#tell(seat, type, payload);
  }

  /** Sends the last message again. */
  repeat(user: string): void {
    const seat = this.#seats.get(user);
    seat?.connection?.send(seat.sent.at(-1) as object);
  }

  /** A message that does not arrive, although the connection lives. */
  lose(user: string): void {
    const seat = this.#seats.get(user);
    if (seat) seat.sent.push({ type: 'error', payload: { code: 'no_session', message: 'second', temporary: false }, seq: ++seat.seq });
  }

  goaway(user: string, retryAfterMs: number): void {
    this.#seats.get(user)?.connection?.send({ type: 'goaway', payload: { retryAfterMs } });
  }

  close(user: string, code: number): void {
    this.#seats.get(user)?.connection?.close(code);
  }

  state(user: string): string {
    const seat = this.#seats.get(user);
    return !seat ? 'none' : seat.session ? seat.session.id : seat.waiting ? 'waiting' : 'idle';
  }

  // ----------------------------------------------------------------------------------------------

  readonly #accepted = new Map<string, () => void>();

  #renew(seat: Seat, token: string): void {
    this.asked.push({ user: seat.user, type: 'renew_token', data: { token } });
    const whose = this.whose?.(token);
    if (whose && 'user' in whose) this.#tell(seat, 'token_renewed', { expiresInMs: 600_000 });
    else this.#tell(seat, 'error', { message: '', temporary: false, ...whose });
  }

  #hello(connection: Connection, hello: any): void {
    const { resume, pairToken, token } = hello;
    let { userId } = hello;
    const whose = this.whose?.(token);
    if (whose && 'code' in whose) {
      const temporary = whose.retryAfterMs !== undefined;
      return connection.send({ type: 'error', payload: { message: '', temporary, ...whose } });
    }
    userId = whose?.user ?? userId;
    if (this.oldWire) {
      const payload = { code: 'unknown_type', message: 'hello', temporary: false };
      return connection.send({ type: 'error', payload });
    }
    const known = this.#seats.get(userId);
    const good = known && resume && [known.token, known.earlier].includes(resume.token) && resume.epoch === this.epoch;
    const resumed = Boolean(good && resume.received !== undefined);
    const seat = good ? known : this.#take(userId);
    seat.connection?.close(4500);
    if (!resumed) Object.assign(seat, { seq: 0, sent: [], received: 0 });
    seat.earlier = good ? resume.token : null;
    seat.token = `token-${++this.#tokens}`;
    this.#serve(connection, seat);
    const { epoch } = this;
    const rest = { received: seat.received, resumeWindowMs: 30_000, pingMs: { setup: 3000, idle: 15_000 } };
    connection.send({ type: 'welcome', payload: { epoch, resumeToken: seat.token, resumed, ...rest } });
    if (resumed) {
      for (const message of seat.sent) if (message.seq > resume.received) connection.send(message);
      this.#partner(seat, 'partner_back');
    } else if (resume) {
      connection.send({ type: 'restart', payload: { reason: good ? 'state_asked' : 'expired' } });
      if (pairToken && !seat.session) this.#pairAgain(seat, JSON.parse(pairToken));
      if (seat.session) this.#describe(seat, 'rejoined');
      else if (seat.waiting) this.#tell(seat, 'queued', { position: 1 });
      else if (seat.room) this.#tell(seat, 'room_created', { code: seat.room, expiresInMs: 600_000 });
      this.#partner(seat, 'partner_back');
    }
  }

  #take(user: string): Seat {
    const before = this.#seats.get(user);
    before?.connection?.close(4500);
    if (before) this.expire(user, 'replaced');
    const seat: Seat = {
      ...{ user, token: '', earlier: null, connection: null, seq: 0, sent: [], received: 0 },
      ...{ waiting: false, room: null, session: null, last: null },
    };
    this.#seats.set(user, seat);
    return seat;
  }

  #serve(connection: Connection, seat: Seat): void {
    seat.connection = connection;
    this.#byConnection.set(connection.id, seat);
  }

  /** Two of a session that an earlier process knew. */
  #pairAgain(seat: Seat, session: Session): void {
    const known = [...this.#seats.values()].find((other) => other.session?.id === session.id)?.session;
    seat.session = known ?? session;
  }

  #request(seat: Seat, { type, data = {}, id }: any): void {
    const session = seat.session;
    const { refusal } = this;
    if (type !== 'signal') this.asked.push({ user: seat.user, type, data });
    if (refusal && refusal.type === type) {
      this.refusal = null;
      return this.#tell(seat, 'error', { ...refusal.error, id });
    }
    switch (type) {
      case 'join_queue':
        this.#end(seat, 'skipped');
        return this.#match(seat);
      case 'leave_queue':
        seat.waiting = false;
        seat.room = null;
        return;
      case 'create_room':
        this.#end(seat, 'skipped');
        seat.room = `CODE${++this.#rooms}`;
        return this.#tell(seat, 'room_created', { code: seat.room, expiresInMs: 600_000 });
      case 'join_room': {
        const host = [...this.#seats.values()].find(({ room }) => room === data.code);
        if (!host) return this.#tell(seat, 'error', { code: 'no_room', message: '', temporary: false });
        host.room = null;
        return this.#pair(host, seat);
      }
      case 'message': {
        const partner = this.#partnerOf(seat);
        if (partner && session?.id === data.sessionId) this.#tell(partner, 'message', data);
        return;
      }
      case 'report':
        return this.#tell(seat, 'reported', { sessionId: data.sessionId ?? session?.id ?? 'session-0' });
      case 'block': {
        const userId = data.userId ?? this.#partnerOf(seat)?.user ?? seat.last;
        if (session?.users.includes(userId)) this.#end(seat, 'ended');
        return this.#tell(seat, 'blocked', { userId });
      }
      case 'unblock':
        return this.#tell(seat, 'unblocked', data);
      case 'path':
        return;
      case 'signal': {
        const partner = this.#partnerOf(seat);
        if (!session || session.id !== data.sessionId)
          return this.#tell(seat, 'error', { code: 'no_session', message: '', temporary: false });
        this.passed.push({ from: seat.user, signal: data.signal });
        if (partner) this.#tell(partner, 'signal', { sessionId: session.id, signal: data.signal });
        return;
      }
      case 'skip':
        this.#end(seat, 'skipped');
        return this.#match(seat);
      case 'end_session':
        this.#end(seat, 'ended');
        return;
      case 'ice_servers':
        this.#tell(seat, 'ice_servers', { iceServers: this.iceServers, iceTtl: 600 });
        return;
      default:
        throw new Error(`unknown: ${type}`);
    }
  }

  #match(seat: Seat): void {
    const other = [...this.#seats.values()].find(({ waiting, user }) => waiting && user !== seat.user);
    if (!other) {
      seat.waiting = true;
      return this.#tell(seat, 'queued', { position: 1, waiting: 1, etaMs: 20_000 });
    }
    if (this.offers) return this.#offer(other, seat);
    this.#pair(other, seat);
  }

  /** Who does not answer waits no more, and who does goes on waiting. */
  #offer(...both: [Seat, Seat]): void {
    const agreed = new Set<Seat>();
    for (const seat of both) {
      seat.waiting = false;
      seat.connection?.send({ type: 'match_offer', payload: { withinMs: 3000 } });
      this.#accepted.set(seat.user, () => {
        agreed.add(seat);
        if (agreed.size === 2) this.#pair(...both);
      });
    }
    setTimeout(() => {
      for (const seat of both) {
        if (seat.session) continue;
        seat.waiting = agreed.has(seat);
        if (!seat.waiting) this.#tell(seat, 'queue_timeout', { reason: 'unanswered' });
      }
    }, 3000);
  }

  #pair(other: Seat, seat: Seat): void {
    for (const one of [other, seat]) Object.assign(one, { waiting: false, room: null });
    other.session = seat.session = { id: `session-${++this.#sessions}`, users: [other.user, seat.user] };
    this.#describe(other, 'match_found');
    this.#describe(seat, 'match_found');
  }

  #describe(seat: Seat, type: string): void {
    const { id, users } = seat.session as Session;
    const partner = this.#partnerOf(seat);
    this.#tell(seat, type, {
      sessionId: id,
      partnerId: users.find((user) => user !== seat.user),
      isInitiator: users[0] === seat.user,
      iceServers: this.iceServers,
      iceTtl: 600,
      ...(this.oldWire ? {} : { pairToken: JSON.stringify(seat.session), partnerProtocol: 1 }),
      ...(type === 'rejoined' ? { partnerAway: !partner?.connection } : {}),
    });
  }

  #end(seat: Seat, reason: string): void {
    const { session } = seat;
    seat.waiting = false;
    seat.room = null;
    if (!session) return;
    const partner = this.#partnerOf(seat);
    seat.session = null;
    seat.last = session.users.find((user) => user !== seat.user) ?? null;
    if (!partner) return;
    partner.session = null;
    this.#tell(partner, 'partner_left', { sessionId: session.id, reason });
  }

  #partner(seat: Seat, type: string): void {
    const partner = this.#partnerOf(seat);
    if (partner && seat.session) this.#tell(partner, type, { sessionId: seat.session.id });
  }

  #partnerOf(seat: Seat): Seat | null {
    const user = seat.session?.users.find((user) => user !== seat.user);
    const partner = this.#seats.get(user ?? '');
    return partner && partner.session?.id === seat.session?.id ? partner : null;
  }

  #tell(seat: Seat, type: string, payload: object): void {
    if (this.oldWire) return seat.connection?.send({ type, payload });
    const message = { type, payload, seq: ++seat.seq };
    seat.sent.push(message);
    seat.connection?.send(message);
  }
}
