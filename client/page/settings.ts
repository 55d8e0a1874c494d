/** The menu: which camera and microphone, sharing the screen, and hiding one's address. */
import type { HairpinClient } from '../src/hairpin-client.js';
import { button, element, input, select, write } from './dom.js';
import { type Media, canShareScreen, devices } from './media.js';

const KINDS = [
  { kind: 'videoinput', id: 'cameras', noun: 'Camera' },
  { kind: 'audioinput', id: 'microphones', noun: 'Microphone' },
] as const;

/** `changed` is told when something else is sent than before. */
export function prepareSettings(client: HairpinClient, media: () => Media | null, changed: () => void) {
  for (const { kind, id } of KINDS) {
    select(id).onchange = async () => {
      // A device that is gone, or in use, leaves the one there is.
      await client.useDevice(kind, select(id).value).catch(() => undefined);
      await listDevices(media());
      changed();
    };
  }
  element('settings').addEventListener('beforetoggle', () => void listDevices(media()));
  navigator.mediaDevices?.addEventListener('devicechange', () => void listDevices(media()));

  button('screen').onclick = async () => {
    element('settings').hidePopover();
    // Whoever closes the browser's question has said no, which needs no words.
    await (client.snapshot.local.screen ? client.stopScreen() : client.shareScreen()).catch(() => undefined);
    changed();
  };
  client.on('change', ({ session, local }) => {
    button('screen').hidden = !canShareScreen() || !session;
    write(element('screen-text'), local.screen ? 'Stop sharing your screen' : 'Share your screen');
  });
  button('screen').hidden = true;

  input('relay-only').onchange = () => {
    client.relayOnly = input('relay-only').checked;
  };
  client.relayOnly = input('relay-only').checked; // A reload keeps the box as it was.
}

/** Only what can be chosen: a list with one entry, or none, is not worth a row that does nothing. */
async function listDevices(media: Media | null) {
  for (const { kind, id, noun } of KINDS) {
    const found = await devices(kind);
    const current = media?.stream.getTracks().find((track) => `${track.kind}input` === kind)?.getSettings().deviceId;
    const options = found.map(({ deviceId, label }, index) => {
      const option = new Option(label || `${noun} ${index + 1}`, deviceId);
      option.selected = deviceId === current;
      return option;
    });
    select(id).disabled = options.length === 0;
    select(id).replaceChildren(...(options.length ? options : [new Option(`${noun} of this device`)]));
  }
}
