// Two clients in one page, and a server between them that is in the page as well.
import { HairpinClient } from '../../src/hairpin-client.js';
import type { Options } from '../../src/hairpin-client.js';
import { FakeHairpin } from '../fake/hairpin.js';
import { Network } from '../fake/wire.js';
import { OldClient } from './old-client.js';

/** A moving picture and a tone. */
export function synthetic(kinds: string): MediaStream {
  const stream = new MediaStream();
  if (kinds.includes('video')) {
    const canvas = Object.assign(document.createElement('canvas'), { width: 160, height: 120 });
    const context = canvas.getContext('2d');
    setInterval(() => {
      if (!context) return;
      context.fillStyle = `hsl(${Math.random() * 360} 50% 50%)`;
      context.fillRect(0, 0, 160, 120);
    }, 50);
    for (const track of canvas.captureStream(20).getTracks()) stream.addTrack(track);
  }
  if (kinds.includes('audio')) {
    const audio = new AudioContext();
    const out = new MediaStreamAudioDestinationNode(audio);
    const tone = new OscillatorNode(audio);
    tone.connect(out);
    tone.start();
    for (const track of out.stream.getTracks()) stream.addTrack(track);
  }
  return stream;
}

class Room {
  readonly server = new FakeHairpin();
  readonly clients: Record<string, HairpinClient> = {};
  readonly networks: Record<string, Network> = {};
  readonly events: Record<string, [string, unknown][]> = {};
  readonly phases: Record<string, string[]> = {};

  /** With a `url`, over the network; else to the server in the page. */
  join(name: string, options: Options & { kinds?: string } = {}): HairpinClient {
    const { kinds, ...rest } = options;
    const network = (this.networks[name] = new Network(this.server));
    const stream = kinds === '' ? {} : { stream: synthetic(kinds ?? 'audio video') };
    const inPage = { url: 'http://server/', userId: name, storage: null, webSocket: network.webSocket };
    const client = (this.clients[name] = new HairpinClient({ ...(rest.url ? {} : inPage), ...stream, ...rest }));
    const events: [string, unknown][] = (this.events[name] = []);
    const phases: string[] = (this.phases[name] = []);
    client.on('change', ({ phase }) => phase !== phases.at(-1) && phases.push(phase));
    for (const type of ['partner', 'left', 'error', 'message'] as const)
      client.on(type, (detail) => events.push([type, detail]));
    return client;
  }
}

const room = new Room();
Object.assign(globalThis, {
  room,
  OldClient,
  synthetic,
  state: () => ({
    events: room.events,
    phases: room.phases,
    ...Object.fromEntries(Object.entries(room.clients).map(([name, { snapshot }]) => [name, snapshot])),
  }),
  /** How many video frames somebody has seen. */
  frames: async (name: string) => (await room.clients[name]?.stats())?.video.framesDecoded ?? 0,
});
