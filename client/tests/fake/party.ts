import { HairpinClient } from '../../src/hairpin-client.js';
import type { Options } from '../../src/hairpin-client.js';
import { Clock } from './clock.js';
import { FakeHairpin } from './hairpin.js';
import { FakePeer, FakeStream } from './peer.js';
import { Network } from './wire.js';

const HEARD = ['partner', 'left', 'timeout', 'error', 'chat', 'reported'] as const;

/** Clients, each behind a network of its own, and a server, in virtual time. */
export class Party {
  readonly clock = new Clock().install();
  readonly server = new FakeHairpin();
  /** `name type detail` of all that clients told. */
  readonly events: string[] = [];
  readonly #networks: Record<string, Network> = {};

  constructor() {
    FakePeer.all = [];
    Object.assign(globalThis, { MediaStream: FakeStream });
  }

  end(): void {
    this.clock.uninstall();
  }

  person(name: string, options: Options = {}): HairpinClient {
    const network = (this.#networks[name] = new Network(this.server));
    const { webSocket } = network;
    const peerConnection = FakePeer as unknown as typeof RTCPeerConnection;
    const fakes = { url: 'http://server/', webSocket, peerConnection };
    const alone = options.storage ? {} : { userId: name, storage: null, blockStorage: null };
    const client = new HairpinClient({ ...fakes, ...alone, ...options });
    for (const type of HEARD) client.on(type, (detail) => this.events.push(`${name} ${type} ${JSON.stringify(detail)}`));
    return client;
  }

  network(name: string): Network {
    return this.#networks[name] as Network;
  }

  /** What somebody has said, by type. */
  said(name: string, type: string): any[] {
    return this.network(name)
      .log.filter((line) => line.includes(` > {"type":"${type}"`))
      .map((line) => JSON.parse(line.slice(line.indexOf('{'))));
  }

  async pair(): Promise<[HairpinClient, HairpinClient]> {
    const [ann, bob] = [this.person('ann'), this.person('bob')];
    ann.find();
    await this.clock.until(() => ann.snapshot.queue !== null, 'ann waits');
    bob.find();
    await this.#paired(ann, bob);
    return [ann, bob];
  }

  async #paired(...both: [HairpinClient, HairpinClient]): Promise<void> {
    await this.clock.until(() => both.every(({ snapshot }) => snapshot.phase === 'pairing'), 'they are paired');
  }

  async call(): Promise<[HairpinClient, HairpinClient]> {
    return this.#connected(await this.pair());
  }

  /** By a room that ann has made. */
  async roomCall(): Promise<[HairpinClient, HairpinClient]> {
    const [ann, bob] = [this.person('ann'), this.person('bob')];
    ann.createRoom();
    await this.clock.until(() => ann.snapshot.room !== null, 'ann has a room');
    bob.joinRoom(ann.snapshot.room?.code ?? '');
    await this.#paired(ann, bob);
    return this.#connected([ann, bob]);
  }

  async #connected(both: [HairpinClient, HairpinClient]): Promise<[HairpinClient, HairpinClient]> {
    await this.clock.advance(500);
    for (const client of both) peer(client).become('connected');
    return both;
  }
}

export const peer = (client: HairpinClient): FakePeer => client.peerConnection as unknown as FakePeer;

/** A place to remember, as a browser's. */
export function storage(): { kept: Map<string, string>; getItem(key: string): string | null } & Pick<Storage, 'setItem' | 'removeItem'> {
  const kept = new Map<string, string>();
  return {
    kept,
    getItem: (key) => kept.get(key) ?? null,
    setItem: (key, value) => void kept.set(key, value),
    removeItem: (key) => void kept.delete(key),
  };
}
