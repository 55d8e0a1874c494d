import type { Local } from '../types.js';

/** Both are negotiated, that is agreed on beforehand: no round trip, and no event of the other side to wait for. */
const CONTROL = { label: 'hairpin', id: 0 };
const DATA = { label: 'data', id: 1 };

/** What a partner says about its media. */
export type Told = Partial<Local>;

export interface ChannelHandlers {
  told(told: Told): void;
  message(data: string | ArrayBuffer): void;
  /** The partner has closed the connection. */
  closed(): void;
}

/** Two data channels: one on which the two clients tell each other what is muted, one for the application. */
export class Channels {
  readonly #control: RTCDataChannel;
  readonly #data: RTCDataChannel;
  /** What the partner has to know, and what it was told. */
  #local = '';
  #told = '';

  constructor(pc: RTCPeerConnection, { told, message, closed }: ChannelHandlers) {
    this.#control = pc.createDataChannel(CONTROL.label, { negotiated: true, id: CONTROL.id });
    this.#data = pc.createDataChannel(DATA.label, { negotiated: true, id: DATA.id });
    this.#data.binaryType = 'arraybuffer';
    this.#control.onopen = () => this.#tell();
    this.#control.onclose = closed;
    this.#control.onmessage = ({ data }) => told(read(data));
    this.#data.onmessage = ({ data }) => message(data);
  }

  /** Tells the partner, now or as soon as it can hear. */
  set local(local: Local) {
    this.#local = JSON.stringify(local);
    this.#tell();
  }

  /** False: not open. */
  send(data: string | ArrayBuffer): boolean {
    if (this.#data.readyState !== 'open') return false;
    // Two signatures in the DOM's types for one method.
    this.#data.send(data as string);
    return true;
  }

  #tell(): void {
    if (this.#local === this.#told || this.#control.readyState !== 'open') return;
    this.#told = this.#local;
    this.#control.send(this.#local);
  }
}

/** A partner may say anything. */
function read(text: unknown): Told {
  const told: Told & Record<string, boolean> = {};
  try {
    const said = JSON.parse(String(text)) as Record<string, unknown> | null;
    for (const key of ['microphone', 'camera', 'screen']) {
      const value = said?.[key];
      if (typeof value === 'boolean') told[key] = value;
    }
  } catch {
    // Not for us.
  }
  return told;
}
