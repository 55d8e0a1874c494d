/** An RTCPeerConnection that describes, and is as connected as the test says. */
export class FakePeer {
  static all: FakePeer[] = [];
  connectionState = 'new';
  signalingState = 'stable';
  localDescription: { type: string; sdp: string } | null = null;
  currentLocalDescription: { type: string; sdp: string } | null = null;
  remoteDescription: { type: string; sdp: string } | null = null;
  onnegotiationneeded: (() => void) | null = null;
  onconnectionstatechange: (() => void) | null = null;
  onicecandidate: ((event: { candidate: { candidate: string; toJSON(): object } | null }) => void) | null = null;
  onicecandidateerror: ((event: { url: string; errorText: string }) => void) | null = null;
  ontrack = null;
  readonly configurations: object[] = [];
  restarts = 0;
  /** Whether anything comes from the partner. */
  silent = false;
  /** What the browser says of its path. */
  entries: { id: string; [field: string]: unknown }[] = [];
  #heard = 0;

  constructor(configuration: object) {
    this.configurations.push(configuration);
    FakePeer.all.push(this);
    setTimeout(() => this.onnegotiationneeded?.(), 0);
  }

  become(state: string): void {
    this.connectionState = state;
    this.onconnectionstatechange?.();
  }

  createDataChannel(): object {
    return { readyState: 'connecting', send() {} };
  }
  addTransceiver(): object {
    return { sender: { replaceTrack: async () => {} } };
  }
  async setLocalDescription(): Promise<void> {
    const type = this.signalingState === 'have-remote-offer' ? 'answer' : 'offer';
    this.localDescription = { type, sdp: `${type} ${FakePeer.all.indexOf(this)}` };
    this.signalingState = type === 'offer' ? 'have-local-offer' : 'stable';
    if (type === 'answer') this.currentLocalDescription = this.localDescription;
  }
  async setRemoteDescription(description: { type: string; sdp: string }): Promise<void> {
    this.remoteDescription = description;
    this.signalingState = description.type === 'offer' ? 'have-remote-offer' : 'stable';
  }
  async addIceCandidate(): Promise<void> {}
  getConfiguration(): object {
    return {};
  }
  setConfiguration(configuration: object): void {
    this.configurations.push(configuration);
  }
  restartIce(): void {
    this.restarts += 1;
    setTimeout(() => this.onnegotiationneeded?.(), 0);
  }
  async getStats(): Promise<Map<string, object>> {
    if (!this.silent) this.#heard += 100;
    const pair = { id: 'P', type: 'candidate-pair', nominated: true, state: 'succeeded', bytesReceived: this.#heard };
    return new Map([pair, ...this.entries].map((entry) => [entry.id, { ...(entry.id === 'P' && pair), ...entry }]));
  }
  close(): void {
    this.connectionState = this.signalingState = 'closed';
  }
}

/** What a client asks of a stream when there is nothing in it. */
export class FakeStream {
  getTracks(): [] {
    return [];
  }
}
