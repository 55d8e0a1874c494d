/**
 * What the page says, as a pure function of what is the case.
 *
 * What the server or the client write for developers is never shown: codes come in, words of our own go out.
 */
import type { Events, Queue, Session, Snapshot } from '../src/hairpin-client.js';

export type Reason = Events['left']['reason'] | 'no_relay';

export interface Situation {
  readonly snapshot: Snapshot;
  readonly partnerName: string;
  /** The partner sends a picture at all. */
  readonly hasPicture: boolean;
  /** *Next* was pressed and can still be undone. */
  readonly leaving: boolean;
  /** Why the last partner is gone, until there is another. */
  readonly farewell: Reason | null;
  /** The server grants no new partner before a moment, and why. */
  readonly hold: Hold | null;
  /** Whom we were with last, or before this one. */
  readonly last: Session | null;
}

export interface Hold {
  readonly code: string;
  readonly until: number;
}

/** Words, and the moment they count down to. The counter is shown and not read aloud every second. */
export interface Words {
  readonly title: string;
  readonly text: string;
  readonly until?: number;
  readonly counter?: (seconds: number) => string;
}

export interface Scene {
  /** What the stage looks like. */
  readonly name: 'lobby' | 'looking' | 'pairing' | 'leaving' | 'call' | 'interrupted';
  /** Over the stage; none in a running call whose picture is there. */
  readonly words: Words | null;
  /** Beside a running call. */
  readonly banner: Words | null;
}

export function sceneOf(situation: Situation): Scene {
  const { snapshot, partnerName, leaving } = situation;
  if (leaving) return { name: 'leaving', words: { title: 'Moving on…', text: `You leave ${partnerName}.` }, banner: null };
  switch (snapshot.phase) {
    case 'idle':
      return { name: 'lobby', words: null, banner: null };
    case 'looking':
      return { name: 'looking', words: looking(situation), banner: null };
    case 'pairing':
      return { name: 'pairing', words: pairing(situation), banner: null };
    case 'connected':
      return { name: 'call', words: noPicture(situation), banner: beside(snapshot, partnerName) };
    case 'interrupted':
      return { name: 'interrupted', words: interrupted(snapshot, partnerName), banner: null };
  }
}

function looking({ snapshot: { server, queue, aim, room }, farewell, hold, last }: Situation): Words {
  if (server.state === 'retrying')
    return {
      title: 'The server does not answer',
      text: aim === 'room' ? 'Your room is made anew then, with another code.' : 'Your search goes on as soon as it does.',
      ...nextTry(server.retryAt),
    };
  if (hold) return held(hold);
  if (server.state !== 'open') return { title: 'Reaching the server…', text: 'One moment.' };
  if (aim === 'room') return waiting(room);
  const text = inLine(queue, last !== null);
  if (farewell) {
    const why = farewell === 'no_relay' ? `${WHY_NO_RELAY} ` : '';
    return { title: FAREWELLS[farewell] ?? FAREWELLS.disconnected, text: `${why}Looking for the next one. ${text}` };
  }
  return { title: queue ? 'Looking for a partner…' : 'Asking for a partner…', text };
}

/** In a room, or in front of one. */
function waiting(room: Snapshot['room']): Words {
  if (!room) return { title: 'Entering the room…', text: 'One moment.' };
  return {
    title: 'Your room is open',
    text: 'Whoever has this code meets you here.',
    until: room.expiresAt,
    counter: (seconds) => `It closes in ${plural(Math.max(1, Math.ceil(seconds / 60)), 'minute')}.`,
  };
}

function inLine(queue: Queue | null, metSomebody: boolean): string {
  const waiting = queue?.waiting ?? null;
  if (!queue || waiting === null) return queue && queue.position > 1 ? `You are number ${queue.position} in line.` : ITSELF;
  // Two who have just parted, and nobody else.
  if (metSomebody && waiting === 2) return 'Nobody else is here at the moment; the two of you may meet again.';
  if (waiting === 1) return `Nobody else is waiting at the moment. ${ITSELF}`;
  const line = queue.position > 1 ? `You are number ${queue.position} of ${waiting} in line.` : `You are the next of ${waiting}.`;
  return queue.etaMs === null ? line : `${line} ${eta(queue.etaMs)}`;
}

const ITSELF = 'The call starts by itself.';

/** Nobody can know it to the second. */
function eta(milliseconds: number): string {
  if (milliseconds < 15_000) return 'It should be moments now.';
  if (milliseconds < 60_000) return 'It should take less than a minute.';
  return `It should take about ${plural(Math.round(milliseconds / 60_000), 'minute')}.`;
}

function held({ code, until }: Hold): Words {
  const [title, text] =
    code === 'too_often'
      ? ['That was quick', 'So many partners in so short a time need a little break.']
      : ['One moment', 'An older connection of yours still holds your place.'];
  return { title, text, until, counter: (seconds) => `The search goes on in ${plural(seconds, 'second')}.` };
}

function pairing({ snapshot: { server, partner, session, aim }, partnerName: name, last }: Situation): Words {
  const again = aim === 'partner' && last !== null && last.id !== session?.id && last.partnerId === session?.partnerId;
  const title = again ? `${name} again` : `Found ${name}`;
  if (server.state === 'retrying')
    return { title, text: 'The server does not answer. Connecting goes on as soon as it does.', ...nextTry(server.retryAt) };
  if (partner?.away) return { title, text: `${name} has lost the server for a moment. Waiting…` };
  return { title, text: `${again ? 'Nobody else is here at the moment. ' : ''}Connecting the two of you…` };
}

function interrupted({ server, partner }: Snapshot, name: string): Words {
  if (server.state === 'retrying')
    return {
      title: 'You seem to be offline',
      text: `The call comes back by itself when your network does.`,
      ...nextTry(server.retryAt),
    };
  if (server.state !== 'open') return { title: 'Reconnecting…', text: `Your network is back. Returning to ${name}.` };
  if (partner?.away)
    return { title: `${name} has lost the connection`, text: 'Waiting a little while: they may come right back.' };
  return { title: 'The connection is interrupted', text: `Finding another way to ${name}…` };
}

/** A call goes on without a picture, and says why there is none. */
function noPicture({ snapshot: { partner }, partnerName, hasPicture }: Situation): Words | null {
  if (partner?.screen || (hasPicture && partner?.camera !== false)) return null;
  return { title: partnerName, text: partner?.camera === false ? 'Camera off' : 'No camera' };
}

function beside({ server, partner }: Snapshot, name: string): Words | null {
  const title = 'Your call goes on';
  if (server.state === 'retrying')
    return { title, text: 'Your call goes on; looking for the server…', ...nextTry(server.retryAt) };
  if (server.state === 'connecting') return { title, text: 'Your call goes on; looking for the server…' };
  if (server.state === 'refused') return { title, text: 'Your call goes on, without the server until it ends.' };
  if (partner?.away) return { title, text: `Your call goes on; ${name} is looking for the server…` };
  return null;
}

function nextTry(until: number): Pick<Words, 'until' | 'counter'> {
  return {
    until,
    counter: (seconds) => (seconds > 0 ? `Next try in ${plural(seconds, 'second')}.` : 'Trying now.'),
  };
}

const FAREWELLS: Record<Reason, string> = {
  skipped: 'Your partner moved on',
  ended: 'Your partner ended the call',
  disconnected: 'Your partner’s connection was lost',
  replaced: 'Your partner left',
  expired: 'The call reached its time limit',
  shutdown: 'The server had to end the call',
  no_path: 'No way to that partner was found',
  no_relay: 'The relay could not be reached',
};

/** A visitor can do something about it, or tell somebody who can. */
const WHY_NO_RELAY = 'A firewall may be in the way, or this server’s certificate is not trusted.';

/** Why a partner is gone. */
export const reasonOf = ({ reason, unreachable }: Events['left']): Reason => (unreachable ? 'no_relay' : reason);

/** The same as a sentence or two. */
export const farewellWords = (reason: Reason) => `${FAREWELLS[reason]}.${reason === 'no_relay' ? ` ${WHY_NO_RELAY}` : ''}`;

export function timeoutWords({ reason, searching }: Events['timeout']): string {
  if (searching) return 'A partner was found while this page slept. It looks for the next one.';
  if (reason === 'room_closed') return 'Nobody came to your room, and its time is over. Open another one to go on waiting.';
  if (reason === 'unanswered') return 'A partner was found while this page slept. Press Find partner to try again.';
  return 'Nobody came this time. Press Find partner to try again.';
}

const UNKNOWN_HERE = 'This server wants to know who you are, and this page cannot tell. Come by the app that uses it.';

export const REASONS = ['Rude or threatening', 'Naked or sexual', 'A machine, or advertising', 'Seems to be a child', 'Something else'];

/** The lobby's first words, for who has a link to a room and for everybody else. */
export function welcome(invited: string | null): Pick<Words, 'title' | 'text'> & { go: string } {
  if (!invited)
    return {
      title: 'Meet someone new',
      text: 'One press, and you are in a video call with whoever has waited longest.',
      go: 'Find partner',
    };
  return { title: 'You are invited', text: `Somebody waits for you in the room ${invited}.`, go: 'Join the room' };
}

/** Why a search or a call ended for good, by the server's code. */
export function refusalWords(code: string): string {
  switch (code) {
    case 'replaced':
      return 'This call was opened in another tab or window, and goes on there.';
    case 'token_missing':
    case 'token_invalid':
    case 'token_expired':
    case 'wrong_user':
      return UNKNOWN_HERE;
    case 'barred':
      return 'You cannot meet anybody here for some time.';
    case 'flood':
      return 'This page sent the server too much at once. Press Find partner to try again.';
    default:
      return 'The server has ended the connection. Press Find partner to try again.';
  }
}

/** What a visitor should know of an error; null if it is none of theirs. */
export function errorWords({ code, remedy, retryAfterMs }: Events['error']): string | null {
  switch (code) {
    case 'no_room':
      return 'There is no such room, or nobody waits in it any more. Ask for another code.';
    case 'barred':
      return `People have complained about you: you cannot meet anybody here for ${roughly(retryAfterMs ?? 0)}.`;
    case 'too_often':
      return remedy === 'later' ? 'That was too much at once. Wait a moment before you try again.' : null;
    default:
      if (remedy === 'sign_in') return UNKNOWN_HERE;
      return remedy === 'wait' ? null : 'Something did not work. If it happens again, reload the page.';
  }
}

/** A call's quality, first for the mark and then as a sentence. */
export const QUALITIES = {
  good: ['Good', 'The connection is good.'],
  fair: ['Fair', 'The connection is fair: picture and sound may falter now and then.'],
  poor: ['Weak', 'The connection is weak. Going nearer to your Wi-Fi, or turning the camera off, helps.'],
  none: ['No signal', 'Nothing arrives from your partner at the moment.'],
} as const;

export const PATHS = {
  direct: 'You are connected directly to each other.',
  relayed: 'Your networks allow no direct way, or one of you hides their address: a relay passes the encrypted call on.',
} as const;

export function plural(count: number, noun: string, several = `${noun}s`): string {
  return `${count} ${count === 1 ? noun : several}`;
}

function roughly(milliseconds: number): string {
  const minutes = Math.max(1, Math.ceil(milliseconds / 60_000));
  return minutes < 100 ? plural(minutes, 'minute') : plural(Math.ceil(minutes / 60), 'hour');
}

/** 4:05, or 1:02:09. */
export function duration(milliseconds: number): string {
  const seconds = Math.max(0, Math.floor(milliseconds / 1000));
  const [hours, minutes] = [Math.floor(seconds / 3600), Math.floor(seconds / 60) % 60];
  const two = (value: number) => String(value).padStart(2, '0');
  return hours ? `${hours}:${two(minutes)}:${two(seconds % 60)}` : `${minutes}:${two(seconds % 60)}`;
}
