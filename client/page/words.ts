/**
 * What the page says, as a pure function of what is the case.
 *
 * What the server or the client write for developers is never shown: codes come in, words of our own go out.
 */
import type { Events, Snapshot } from '../src/hairpin-client.js';

export type Reason = Events['left']['reason'];

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
  const { snapshot, partnerName, leaving, farewell, hold } = situation;
  if (leaving) return { name: 'leaving', words: { title: 'Moving on…', text: `You leave ${partnerName}.` }, banner: null };
  switch (snapshot.phase) {
    case 'idle':
      return { name: 'lobby', words: null, banner: null };
    case 'looking':
      return { name: 'looking', words: looking(snapshot, farewell, hold), banner: null };
    case 'pairing':
      return { name: 'pairing', words: pairing(snapshot, partnerName), banner: null };
    case 'connected':
      return { name: 'call', words: noPicture(situation), banner: beside(snapshot, partnerName) };
    case 'interrupted':
      return { name: 'interrupted', words: interrupted(snapshot, partnerName), banner: null };
  }
}

function looking({ server, queue }: Snapshot, farewell: Reason | null, hold: Hold | null): Words {
  if (server.state === 'retrying')
    return {
      title: 'The server does not answer',
      text: 'Your search goes on as soon as it does.',
      ...nextTry(server.retryAt),
    };
  if (hold) return held(hold);
  if (server.state !== 'open') return { title: 'Reaching the server…', text: 'One moment.' };
  const text = queue && queue.position > 1 ? `You are number ${queue.position} in line.` : 'The call starts by itself.';
  if (farewell) return { title: FAREWELLS[farewell] ?? FAREWELLS.disconnected, text: `Looking for the next one. ${text}` };
  return { title: queue ? 'Looking for a partner…' : 'Asking for a partner…', text };
}

function held({ code, until }: Hold): Words {
  const [title, text] =
    code === 'too_often'
      ? ['That was quick', 'So many partners in so short a time need a little break.']
      : ['One moment', 'An older connection of yours still holds your place.'];
  return { title, text, until, counter: (seconds) => `The search goes on in ${plural(seconds, 'second')}.` };
}

function pairing({ server, partner }: Snapshot, name: string): Words {
  const title = `Found ${name}`;
  if (server.state === 'retrying')
    return { title, text: 'The server does not answer. Connecting goes on as soon as it does.', ...nextTry(server.retryAt) };
  if (partner?.away) return { title, text: `${name} has lost the server for a moment. Waiting…` };
  return { title, text: 'Connecting the two of you…' };
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
};

export const NOBODY_CAME = 'Nobody came this time. Press Find partner to try again.';

/** Why a search or a call ended for good, by the server's code. */
export function refusalWords(code: string): string {
  switch (code) {
    case 'replaced':
      return 'This call was opened in another tab or window, and goes on there.';
    case 'flood':
      return 'This page sent the server too much at once. Press Find partner to try again.';
    default:
      return 'The server has ended the connection. Press Find partner to try again.';
  }
}

/** What a visitor should know of an error; null if it is none of theirs. */
export function errorWords({ code, temporary }: Events['error']): string | null {
  switch (code) {
    case 'shutting_down':
      return null;
    default:
      return temporary ? null : 'Something did not work. If it happens again, reload the page.';
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

export function plural(count: number, noun: string): string {
  return `${count} ${noun}${count === 1 ? '' : 's'}`;
}

/** 4:05, or 1:02:09. */
export function duration(milliseconds: number): string {
  const seconds = Math.max(0, Math.floor(milliseconds / 1000));
  const [hours, minutes] = [Math.floor(seconds / 3600), Math.floor(seconds / 60) % 60];
  const two = (value: number) => String(value).padStart(2, '0');
  return hours ? `${hours}:${two(minutes)}:${two(seconds % 60)}` : `${minutes}:${two(seconds % 60)}`;
}
