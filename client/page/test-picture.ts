/** A picture and a sound for a page that gets neither camera nor microphone because it was opened over plain HTTP. */
import { hash, hueOf } from './names.js';

interface Source {
  readonly track: MediaStreamTrack;
  close(): void;
}

const WIDTH = 640;
const HEIGHT = 480;
const FRAMES_PER_SECOND = 24;

/** Discs drifting over a gradient, the name and the clock: motion and detail for a codec to chew on. */
export function testPicture(name: string): Source {
  const canvas = Object.assign(document.createElement('canvas'), { width: WIDTH, height: HEIGHT });
  const context = canvas.getContext('2d', { alpha: false })!;
  const hue = hueOf(name);
  const draw = () => {
    const seconds = performance.now() / 1000;
    const ground = context.createLinearGradient(0, 0, WIDTH, HEIGHT);
    ground.addColorStop(0, `hsl(${hue} 45% 30%)`);
    ground.addColorStop(1, `hsl(${(hue + 50) % 360} 55% 16%)`);
    context.fillStyle = ground;
    context.fillRect(0, 0, WIDTH, HEIGHT);
    for (let disc = 0; disc < 7; disc++) {
      const angle = seconds * (0.25 + disc * 0.06) + disc * 1.9;
      const x = WIDTH * (0.5 + 0.4 * Math.cos(angle));
      const y = HEIGHT * (0.5 + 0.36 * Math.sin(angle * 1.3));
      context.fillStyle = `hsl(${(hue + disc * 22) % 360} 75% 68% / 0.32)`;
      context.beginPath();
      context.arc(x, y, 34 + disc * 9, 0, 2 * Math.PI);
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
  const track = canvas.captureStream(FRAMES_PER_SECOND).getVideoTracks()[0]!;
  return { track, close: () => (clearInterval(timer), track.stop()) };
}

/** A quiet note every two seconds, its pitch from the name: it shows that sound arrives and bothers nobody. */
export function testSound(name: string): Source {
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
  const track = out.stream.getAudioTracks()[0]!;
  return { track, close: () => (clearInterval(timer), track.stop(), void audio.close()) };
}
