import { Channels } from './channels.js';
import type { ChannelHandlers } from './channels.js';
import type { Signal } from './shapes.js';

export type Kind = 'audio' | 'video';

export interface PeerHandlers extends ChannelHandlers {
  signal(signal: Signal): void;
  stateChanged(): void;
  /** There is a relayed address of ours. */
  relayed(): void;
  /** What the browser says of a server that it could not use. */
  failed(url: string, why: string): void;
  stream(stream: MediaStream): void;
}

/** Who we are to the partner. */
export interface Role {
  readonly isInitiator: boolean;
  /** 1: a client like ours. 0: one that answers when it is not the initiator, and understands nothing else. */
  readonly partnerProtocol: number;
}

/**
 * One RTCPeerConnection, negotiated perfectly (WebRTC 1.0, section 10.7): either side may offer at any time, and when
 * two offers cross, the initiator's stands.
 */
export class Peer {
  readonly pc: RTCPeerConnection;
  readonly #role: Role;
  readonly #handlers: PeerHandlers;
  readonly channels: Channels | null;
  readonly #senders = new Map<Kind, RTCRtpSender>();
  readonly #incoming = new MediaStream();
  readonly #outgoing = new MediaStream();
  /** The first offer is the initiator's: both have something to say at the start, and one of them would be lost. */
  #mayOffer: boolean;
  #makingOffer = false;
  #settingAnswer = false;
  #ignoring = false;
  #offers = 0;
  #answeredOffer: number | undefined;
  /** Resolves when it is closed. */
  readonly closed: Promise<void>;
  #close!: () => void;
  /** Candidates that overtook their description. */
  #early: RTCIceCandidateInit[] = [];

  constructor(pc: RTCPeerConnection, role: Role, handlers: PeerHandlers) {
    this.pc = pc;
    this.closed = new Promise((resolve) => (this.#close = resolve));
    this.#role = role;
    this.#handlers = handlers;
    this.#mayOffer = role.isInitiator;
    pc.onnegotiationneeded = () => void this.#offer();
    pc.onicecandidate = ({ candidate }) => {
      if (candidate?.candidate.includes(' typ relay')) handlers.relayed();
      if (candidate?.candidate) handlers.signal({ candidate: candidate.toJSON() });
    };
    pc.onicecandidateerror = ({ url, errorText }) => handlers.failed(url, errorText);
    pc.onconnectionstatechange = () => handlers.stateChanged();
    pc.ontrack = ({ track }) => {
      // Not the partner's stream: an older one may have none, and tracks are added to ours whenever they come.
      this.#incoming.addTrack(track);
      handlers.stream(this.#incoming);
    };
    this.channels = role.partnerProtocol > 0 ? new Channels(pc, handlers) : null;
  }

  /** Sends `track` in the place of what is sent of its kind. */
  async send(kind: Kind, track: MediaStreamTrack | null): Promise<void> {
    const sender = this.#senders.get(kind);
    if (sender) return sender.replaceTrack(track);
    if (track) this.#senders.set(kind, this.pc.addTrack(track, this.#outgoing));
    // An older partner sends only what was offered to it.
    else if (this.#role.isInitiator && !this.#role.partnerProtocol)
      this.#senders.set(kind, this.pc.addTransceiver(kind, { direction: 'recvonly' }).sender);
  }

  /** One signal after another: each waits for the one before. */
  async apply({ description, candidate, offer }: Signal): Promise<void> {
    if (description?.type === 'offer') await this.#offered(description, offer);
    else if (description) await this.#answered(description, offer);
    if (!candidate) return;
    if (this.pc.remoteDescription) await this.#addCandidate(candidate);
    else this.#early.push(candidate);
  }

  /** New paths for the same media. */
  restartIce(): void {
    if (this.#mayOffer && this.pc.signalingState !== 'closed') this.pc.restartIce();
  }

  /** The last offer, or its answer, may be lost. */
  repeat(): void {
    if (this.pc.signalingState === 'have-local-offer') this.#describe(this.pc.localDescription, this.#offers);
  }

  close(): void {
    const { pc } = this;
    pc.onnegotiationneeded = pc.onicecandidate = pc.onicecandidateerror = pc.onconnectionstatechange = pc.ontrack = null;
    pc.close();
    this.#close();
  }

  async #offer(): Promise<void> {
    if (!this.#mayOffer) return;
    try {
      this.#makingOffer = true;
      await this.pc.setLocalDescription();
      this.#offers += 1;
      this.#describe(this.pc.localDescription, this.#offers);
    } catch {
      // An offer of the partner's came first, or the connection was closed: it is needed again then, or never.
    } finally {
      this.#makingOffer = false;
    }
  }

  async #offered(description: RTCSessionDescriptionInit, offer: number | undefined): Promise<void> {
    // Repeated by a partner who has not seen our answer.
    if (offer !== undefined && offer === this.#answeredOffer)
      return this.#describe(this.pc.currentLocalDescription, offer);
    const ready = !this.#makingOffer && (this.pc.signalingState === 'stable' || this.#settingAnswer);
    this.#ignoring = !ready && this.#role.isInitiator;
    if (this.#ignoring) return;
    await this.pc.setRemoteDescription(description);
    // One of the old wire expects no offers, not even now.
    this.#mayOffer ||= this.#role.partnerProtocol > 0;
    await this.#addEarly();
    await this.pc.setLocalDescription();
    this.#answeredOffer = offer;
    this.#describe(this.pc.localDescription, offer);
  }

  async #answered(description: RTCSessionDescriptionInit, offer = this.#offers): Promise<void> {
    if (offer !== this.#offers || this.pc.signalingState !== 'have-local-offer') return;
    this.#ignoring = false;
    try {
      this.#settingAnswer = true;
      await this.pc.setRemoteDescription(description);
    } finally {
      this.#settingAnswer = false;
    }
    await this.#addEarly();
  }

  #describe(description: RTCSessionDescription | null, offer: number | undefined): void {
    if (!description) return;
    const { type } = description;
    const role = type === 'offer' ? this.#dtlsRole() : null;
    const sdp = role ? description.sdp.replaceAll('a=setup:actpass', `a=setup:${role}`) : description.sdp;
    this.#handlers.signal({ description: { type, sdp }, ...(offer === undefined ? {} : { offer }) });
  }

  /**
   * Our part in the encryption there is; null before there is any. Asked for new paths, Firefox would take `active` in
   * its answer whatever it was, and Chromium refuses that: an offer that leaves no choice is answered rightly.
   */
  #dtlsRole(): string | null {
    const { currentLocalDescription: ours, currentRemoteDescription: theirs } = this.pc;
    const setup = (sdp: string): string | undefined => /a=setup:(active|passive)/.exec(sdp)?.[1];
    if (ours?.type === 'answer') return setup(ours.sdp) ?? null;
    const partner = theirs?.type === 'answer' ? setup(theirs.sdp) : undefined;
    return partner ? (partner === 'active' ? 'passive' : 'active') : null;
  }

  async #addEarly(): Promise<void> {
    for (const candidate of this.#early.splice(0)) await this.#addCandidate(candidate);
  }

  /** One from before an ICE restart, or of an offer that was ignored, is refused, and no loss. */
  async #addCandidate(candidate: RTCIceCandidateInit): Promise<void> {
    if (!this.#ignoring) await this.pc.addIceCandidate(candidate).catch(() => {});
  }
}
