// @ts-check
/**
 * Camera and microphone, or, for whichever of the two is missing, a synthetic picture and a soft tone.
 *
 * @typedef {{ stream: MediaStream, notice: string | null, camera: boolean, close: () => void }} Media
 *   `notice` says in a sentence why something is synthetic; `close` ends every track and switches the camera light off.
 */

const WIDTH = 640;
const HEIGHT = 480;
const FRAMES_PER_SECOND = 24;

const INSECURE =
  'Over plain HTTP from another host a browser gives no camera: your partner sees a synthetic picture. ' +
  'Over https, or on localhost, the camera works.';
const REFUSED = 'Camera and microphone were not permitted: your partner sees a synthetic picture.';
const MISSING = 'No camera and no microphone found: your partner sees a synthetic picture.';

/** @param {string} name Written into the synthetic picture. @returns {Promise<Media>} */
export async function openMedia(name) {
  const { stream: real, notice } = await userMedia();
  const stream = new MediaStream(real?.getTracks() ?? []);
  const camera = stream.getVideoTracks().length > 0;
  /** @type {{ track: MediaStreamTrack, close: () => void }[]} */
  const synthetic = [];
  if (!camera) synthetic.push(picture(name));
  if (!stream.getAudioTracks().length) synthetic.push(tone(name));
  synthetic.forEach(({ track }) => stream.addTrack(track));
  const close = () => {
    stream.getTracks().forEach((track) => track.stop());
    synthetic.forEach((source) => source.close());
  };
  return { stream, notice, camera, close };
}

/** Asks for both, then for either one: a desktop often has a microphone and no camera. */
async function userMedia() {
  if (!navigator.mediaDevices) return { stream: null, notice: INSECURE };
  const video = { width: { ideal: WIDTH }, height: { ideal: HEIGHT } };
  const wishes = [
    { wish: { video, audio: true }, notice: null },
    { wish: { audio: true }, notice: 'No camera found: your partner sees a synthetic picture.' },
    { wish: { video }, notice: 'No microphone found: your partner hears a synthetic tone.' },
  ];
  for (const { wish, notice } of wishes) {
    try {
      return { stream: await navigator.mediaDevices.getUserMedia(wish), notice };
    } catch (error) {
      if (/** @type {DOMException} */ (error).name === 'NotAllowedError') return { stream: null, notice: REFUSED };
    }
  }
  return { stream: null, notice: MISSING };
}

/**
 * Discs drifting over a gradient, the name and the clock: motion and detail for a codec to chew on.
 * @param {string} name
 */
function picture(name) {
  const canvas = Object.assign(document.createElement('canvas'), { width: WIDTH, height: HEIGHT });
  const context = /** @type {CanvasRenderingContext2D} */ (canvas.getContext('2d', { alpha: false }));
  const hue = hash(name) % 360;
  const draw = () => {
    const seconds = performance.now() / 1000;
    const ground = context.createLinearGradient(0, 0, WIDTH, HEIGHT);
    ground.addColorStop(0, `hsl(${hue} 45% 30%)`);
    ground.addColorStop(1, `hsl(${(hue + 50) % 360} 55% 16%)`);
    context.fillStyle = ground;
    context.fillRect(0, 0, WIDTH, HEIGHT);
    for (let disc = 0; disc < 7; disc++) {
      const angle = seconds * (0.25 + disc * 0.06) + disc * 1.9;
      context.fillStyle = `hsl(${(hue + disc * 22) % 360} 75% 68% / 0.32)`;
      context.beginPath();
      context.arc(
        WIDTH * (0.5 + 0.4 * Math.cos(angle)),
        HEIGHT * (0.5 + 0.36 * Math.sin(angle * 1.3)),
        34 + disc * 9,
        0,
        2 * Math.PI,
      );
      context.fill();
    }
    context.fillStyle = '#fff';
    context.textAlign = 'center';
    context.font = '600 52px system-ui, sans-serif';
    context.fillText(name, WIDTH / 2, HEIGHT / 2 - 6);
    context.font = '400 30px system-ui, sans-serif';
    context.fillText(new Date().toLocaleTimeString([], { hour12: false }), WIDTH / 2, HEIGHT / 2 + 42);
  };
  draw();
  // Not requestAnimationFrame: that stands still as soon as the tab is hidden.
  const timer = setInterval(draw, 1000 / FRAMES_PER_SECOND);
  const track = canvas.captureStream(FRAMES_PER_SECOND).getVideoTracks()[0];
  return { track, close: () => clearInterval(timer) };
}

/**
 * A quiet note every two seconds, its pitch from the name: it shows that sound arrives and bothers nobody.
 * @param {string} name
 */
function tone(name) {
  const audio = new AudioContext();
  const oscillator = new OscillatorNode(audio, { frequency: 220 * 2 ** ((hash(name) % 12) / 12) });
  const volume = new GainNode(audio, { gain: 0 });
  const out = new MediaStreamAudioDestinationNode(audio);
  oscillator.connect(volume).connect(out);
  oscillator.start();
  const pluck = () => {
    volume.gain.setTargetAtTime(0.08, audio.currentTime, 0.02);
    volume.gain.setTargetAtTime(0, audio.currentTime + 0.12, 0.18);
  };
  const timer = setInterval(pluck, 2000);
  const close = () => {
    clearInterval(timer);
    void audio.close();
  };
  return { track: out.stream.getAudioTracks()[0], close };
}

/** FNV-1a: the same name always gets the same colour and pitch. @param {string} text */
function hash(text) {
  let value = 2166136261;
  for (const character of text) value = Math.imul(value ^ character.charCodeAt(0), 16777619) >>> 0;
  return value;
}
