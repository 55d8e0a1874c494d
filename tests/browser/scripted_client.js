// A client that is in whatever state a test wants to look at, and two drawn people in place of cameras.
// Evaluated before the page's own script, which takes `window.hairpin.client` where there is one.
(() => {
  const handlers = {};
  const session = { id: 's', partnerId: 'maria-7', isInitiator: true, connectedAt: null };
  const here = { away: false, microphone: true, camera: true, screen: false };
  const idle = {
    phase: 'idle',
    aim: null,
    server: { state: 'closed' },
    queue: null,
    room: null,
    chat: [],
    session: null,
    partner: null,
    local: { microphone: true, camera: true, screen: false },
  };
  const open = { state: 'open' };
  const line = (position, waiting, etaMs = null) => ({ position, waiting, etaMs });
  const looking = { ...idle, phase: 'looking', aim: 'partner', server: open, queue: line(1, null) };
  const room = () => ({ ...looking, aim: 'room', queue: null, room: { code: 'KELP7042', expiresAt: Date.now() + 540_000 } });
  const said = (from, text) => ({ from, text, at: Date.now(), refused: false });
  const chat = [said('partner', 'Hello! Where are you from?'), said('us', 'From Lisbon. And you?'), said('partner', 'https://example.org is what I meant, but never mind')];
  const pairing = { ...idle, phase: 'pairing', aim: 'partner', server: open, session, partner: here };
  const again = { ...pairing, session: { ...session, id: 't' } };
  const call = () => ({ ...pairing, phase: 'connected', session: { ...session, connectedAt: Date.now() - 254_000 } });
  const soon = (seconds) => ({ state: 'retrying', retryAt: Date.now() + seconds * 1000 - 500 });
  const lost = () => ({ ...call(), phase: 'interrupted' });

  /** Every state the page can be in: a snapshot, the events that lead to it, and how good the connection is. */
  const scenes = {
    lobby: () => [idle],
    'lobby-nobody-came': () => [looking, ['timeout', { reason: 'nobody', searching: false }], idle],
    'lobby-no-room': () => [looking, ['error', { code: 'no_room', remedy: 'other_code', temporary: false, message: 'says the server' }], idle],
    'lobby-room-closed': () => [room(), ['timeout', { reason: 'room_closed', searching: false }], idle],
    'lobby-barred': () => [looking, ['error', { code: 'barred', remedy: 'later', temporary: true, retryAfterMs: 3_600_000, message: 'says the server' }], idle],
    'lobby-friend-left': () => [{ ...call(), aim: 'room' }, ['left', { reason: 'ended' }], idle],
    'lobby-replaced': () => [{ ...idle, server: { state: 'refused', code: 'replaced' } }],
    'server-reached': () => [{ ...looking, server: { state: 'connecting' }, queue: null }],
    looking: () => [looking],
    'looking-in-line': () => [{ ...looking, queue: line(3, 8, 100_000) }],
    'looking-alone': () => [{ ...looking, queue: line(1, 1) }],
    'looking-both-alone': () => [pairing, { ...looking, queue: line(1, 2) }, ['left', { reason: 'skipped' }]],
    'looking-again': () => [looking, ['timeout', { reason: 'unanswered', searching: true }]],
    room: () => [room()],
    'room-entered': () => [{ ...room(), room: null }],
    'pairing-again': () => [pairing, looking, again],
    'looking-after-partner-left': () => [pairing, looking, ['left', { reason: 'skipped' }]],
    'looking-after-no-relay': () => [pairing, looking, ['left', { reason: 'no_path', unreachable: [{ url: 'turns:call.example:443?transport=tcp', why: 'says the browser' }] }]],
    'looking-server-gone': () => [{ ...looking, server: soon(8), queue: null }],
    'looking-too-fast': () => [looking, ['error', { code: 'too_often', remedy: 'wait', temporary: true, retryAfterMs: 5600, message: 'says the server' }]],
    'looking-place-held': () => [looking, ['error', { code: 'user_taken', remedy: 'wait', temporary: true, retryAfterMs: 4600, message: 'says the server' }]],
    pairing: () => [pairing],
    call: () => [call()],
    'call-partner-muted': () => [{ ...call(), partner: { ...here, microphone: false } }],
    'call-partner-camera-off': () => [{ ...call(), partner: { ...here, microphone: false, camera: false } }],
    'call-partner-shares-screen': () => [{ ...call(), partner: { ...here, screen: true } }],
    'call-own-devices-off': () => [call(), 'press microphone', 'press camera'],
    'call-own-screen': () => [{ ...call(), local: { microphone: true, camera: true, screen: true } }],
    'call-unread': () => [{ ...call(), chat }],
    'call-messages': () => [{ ...call(), chat }, 'press chat-button'],
    'call-with-a-friend': () => [{ ...call(), aim: 'room' }],
    'call-reported': () => [call(), 'press more', 'press report-button'],
    'call-blocked': () => [call(), 'press more', 'press block-button'],
    'call-weak': () => [call(), 'poor'],
    'call-server-gone': () => [{ ...call(), server: soon(5) }],
    'call-partner-away': () => [{ ...call(), partner: { ...here, away: true } }],
    leaving: () => [call(), 'press next'],
    interrupted: () => [lost()],
    'interrupted-partner-away': () => [{ ...lost(), partner: { ...here, away: true } }],
    'interrupted-offline': () => [{ ...lost(), server: soon(4) }],
    'interrupted-reconnecting': () => [{ ...lost(), server: { state: 'connecting' } }],
  };

  const stats = (quality) => ({
    at: performance.now(),
    path: 'direct',
    transport: 'udp',
    local: { type: 'host', protocol: 'udp', address: '192.0.2.14', port: 50412 },
    remote: { type: 'srflx', protocol: 'udp', address: '198.51.100.7', port: 61022 },
    relayedBy: [],
    roundTrip: 0.034,
    bytesSent: performance.now() * 160,
    bytesReceived: performance.now() * 172,
    packetsSent: 1,
    packetsReceived: 1,
    video: { width: 1280, height: 720, fps: 30, framesDecoded: 1 },
    quality,
  });

  /** What the partner sends. */
  let shown = null;
  const client = {
    userId: 'visitor-2',
    snapshot: idle,
    remoteStream: null,
    peerConnection: null,
    relayOnly: false,
    blocked: [],
    /** The methods that were called, for tests to read. */
    calls: [],
    on: (type, handler) => void (handlers[type] ??= []).push(handler),
    quality: 'good',
    stats: async () => (client.snapshot.session ? stats(client.quality) : null),
    resume: () => false,
    play(name) {
      client.quality = 'good';
      document.getElementById('undo').click();
      for (const panel of document.querySelectorAll(':popover-open')) panel.hidePopover();
      client.change(idle);
      for (const off of document.querySelectorAll('.round.off')) off.click();
      for (const step of scenes[name]()) {
        if (typeof step === 'string' && step.startsWith('press ')) document.getElementById(step.slice(6)).click();
        else if (typeof step === 'string') client.quality = step;
        else if (Array.isArray(step)) client.emit(...step);
        else client.change(step);
      }
    },
    change(snapshot) {
      const before = client.snapshot;
      client.snapshot = snapshot;
      if (snapshot.session && !before.session) client.emit('partner', snapshot.session);
      const picture = snapshot.session && (snapshot.partner.screen ? screen : portraits.partner);
      if (picture !== shown) {
        shown = picture;
        client.remoteStream = picture && drawn(picture);
        client.emit('stream', client.remoteStream);
      }
      client.emit('change', snapshot);
    },
    emit: (type, detail) => handlers[type]?.forEach((handler) => handler(detail)),
  };
  for (const method of ['find', 'next', 'stop', 'setStream', 'useDevice', 'shareScreen', 'stopScreen', 'setMicrophone', 'setCamera', 'createRoom', 'joinRoom', 'sendMessage', 'report', 'block', 'unblock'])
    client[method] = (...details) => Promise.resolve(void client.calls.push([method, ...details]));
  window.hairpin = { client };
  window.scenes = Object.keys(scenes);

  // -- devices -----------------------------------------------------------------------------------

  /** `window.devices`: the error getUserMedia fails with, by device; set before the page's script runs, or while it does. */
  const media = navigator.mediaDevices;
  if (!media) return;
  media.getUserMedia = async ({ video, audio }) => {
    const { camera, microphone } = window.devices ?? {};
    const error = (video && camera) || (audio && microphone);
    if (error) throw new DOMException('as the test wants it', error);
    const stream = video ? drawn(portraits.visitor) : new MediaStream();
    if (audio) stream.addTrack(new MediaStreamAudioDestinationNode(new AudioContext()).stream.getTracks()[0]);
    return stream;
  };
  media.enumerateDevices = async () =>
    [
      ['videoinput', 'Built-in camera'],
      ['videoinput', 'Desk camera'],
      ['audioinput', 'Built-in microphone'],
      ['audioinput', 'Headset'],
    ].map(([kind, label]) => ({ kind, label, deviceId: label, groupId: '' }));
  navigator.permissions.query = async ({ name }) => ({ state: window.devices?.[name] ? 'denied' : 'granted' });

  // -- people ------------------------------------------------------------------------------------

  const screen = {};
  const portraits = {
    partner: { wall: '#e8c6a2', skin: '#c98d66', shade: '#b37850', hair: '#2d1f1a', shirt: '#1f6f66', long: true },
    visitor: { wall: '#b4cdd9', skin: '#efc3a0', shade: '#dba681', hair: '#8a4b25', shirt: '#d8694a', long: false },
  };

  function drawn(person) {
    // Who holds a phone upright sends an upright picture.
    const upright = person !== screen && innerHeight > innerWidth;
    const [width, height] = upright ? [720, 1280] : [1280, 720];
    const canvas = Object.assign(document.createElement('canvas'), { width, height });
    if (upright) canvas.getContext('2d').translate(-280, 240);
    const stream = canvas.captureStream(5);
    const paint = () => (person === screen ? drawSlide : draw)(canvas.getContext('2d'), person);
    paint();
    // A stream has a frame whenever something was drawn.
    setInterval(paint, 200);
    return stream;
  }

  function drawSlide(context) {
    const bar = (colour, ...rectangle) => {
      context.fillStyle = colour;
      context.fillRect(...rectangle);
    };
    bar('#fbfaf7', 0, 0, 1280, 720);
    bar('#1f6f66', 96, 96, 560, 44);
    for (const [index, width] of [440, 520, 380, 480].entries()) bar('#c9cdca', 96, 190 + index * 44, width, 16);
    for (const [index, height] of [120, 190, 160, 260, 340].entries())
      bar(index === 4 ? '#d8694a' : '#86b5ad', 740 + index * 92, 600 - height, 60, height);
    bar('#8b928f', 720, 600, 480, 4);
  }

  function draw(context, { wall, skin, shade, hair, shirt, long }) {
    fill(wall, (c) => c.rect(0, -240, 1280, 1280));
    // A window, a shelf, a plant.
    fill('#ffffff66', (c) => c.roundRect(110, 70, 230, 330, 14));
    fill('#ffffff59', (c) => c.rect(219, 70, 12, 330));
    fill('#00000024', (c) => c.roundRect(930, 250, 270, 16, 8));
    for (const [x, h, colour] of [[950, 96, '#b5533c'], [984, 120, '#2f6c79'], [1016, 84, '#d8a23f'], [1046, 108, '#5d4b7a']])
      fill(colour, (c) => c.roundRect(x, 250 - h, 28, h, 4));
    fill('#c96f4a', (c) => c.roundRect(1110, 196, 62, 54, 8));
    for (const turn of [-0.9, -0.45, 0, 0.45, 0.9])
      fill('#3f7d57', (c) => c.ellipse(1141 + 46 * Math.sin(turn), 196 - 52 * Math.cos(turn), 15, 48, turn, 0, 7));
    // The person.
    if (long) fill(hair, (c) => c.roundRect(486, 150, 308, 430, [150, 150, 60, 60]));
    fill(shirt, (c) => c.roundRect(360, 560, 560, 500, [190, 190, 0, 0]));
    fill(shade, (c) => c.roundRect(584, 440, 112, 176, [0, 0, 56, 56]));
    for (const x of [508, 772]) fill(shade, (c) => c.ellipse(x, 352, 24, 36, 0, 0, 7));
    fill(skin, (c) => c.roundRect(512, 172, 256, 330, [128, 128, 124, 124]));
    fill(hair, (c) => {
      c.moveTo(500, 330);
      c.bezierCurveTo(480, 120, 620, 104, 660, 122);
      c.bezierCurveTo(790, 118, 804, 230, 780, 330);
      c.bezierCurveTo(764, 250, 720, 232, 650, 236);
      c.bezierCurveTo(580, 240, 520, 250, 500, 330);
    });
    for (const x of [584, 696]) {
      fill('#fff', (c) => c.ellipse(x, 344, 19, 14, 0, 0, 7));
      fill('#2b2320', (c) => c.ellipse(x, 345, 10, 11, 0, 0, 7));
      fill(hair, (c) => c.roundRect(x - 27, 308, 54, 9, 5));
    }
    stroke(shade, 8, (c) => (c.moveTo(644, 350), c.quadraticCurveTo(662, 402, 636, 404)));
    stroke('#8d3f37', 9, (c) => (c.moveTo(596, 440), c.quadraticCurveTo(640, 478, 686, 438)));

    function fill(colour, path) {
      context.fillStyle = colour;
      context.beginPath();
      path(context);
      context.fill();
    }
    function stroke(colour, width, path) {
      Object.assign(context, { strokeStyle: colour, lineWidth: width, lineCap: 'round' });
      context.beginPath();
      path(context);
      context.stroke();
    }
  }
})();
