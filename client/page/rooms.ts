/** Rooms for two who know each other: one's own, and one by a code or a link. */
import type { HairpinClient } from '../src/hairpin-client.js';
import { button, element, form, input, write } from './dom.js';

const IN_LINK = /^#room=(\w[\w-]{0,31})$/;
const COPIED_MS = 2000;

/** The code in the address, if somebody has sent us a link. */
export function invitation(): string | null {
  return IN_LINK.exec(location.hash)?.[1] ?? null;
}

/** `enter` opens the devices first, and then does it. */
export function prepareRooms(client: HairpinClient, enter: (go: () => void) => void) {
  button('create-room').onclick = () => {
    element('room').hidePopover();
    enter(() => client.createRoom());
  };
  form('join-room').onsubmit = (event) => {
    event.preventDefault();
    element('room').hidePopover();
    const code = input('code-given').value.trim();
    input('code-given').value = '';
    enter(() => client.joinRoom(code));
  };
  element('room').addEventListener('toggle', (event) => {
    if ((event as ToggleEvent).newState === 'open') button('create-room').focus();
  });
  button('copy').onclick = () => void copy(client.snapshot.room?.code ?? '');
}

/** A link used is a link used up: a reload would ask for a room that is no more. */
export function forgetInvitation() {
  if (invitation()) history.replaceState(null, '', location.pathname + location.search);
}

export function showCode(code: string | null) {
  element('code').hidden = !code;
  if (code) write(element('room-code'), code);
}

async function copy(code: string) {
  const link = new URL(`#room=${code}`, location.href).href;
  try {
    await navigator.clipboard.writeText(link);
    write(button('copy'), 'Copied');
  } catch {
    // Not over plain http, and not without leave: then it can be selected.
    getSelection()?.selectAllChildren(element('room-code'));
    write(button('copy'), 'Copy the code by hand');
  }
  setTimeout(() => write(button('copy'), 'Copy link'), COPIED_MS);
}
