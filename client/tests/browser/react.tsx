// A React application in StrictMode, with the server in the page.
import { StrictMode, useEffect, useRef, useState } from 'react';
import { createRoot } from 'react-dom/client';
import { HairpinClient } from '../../src/hairpin-client.js';
import { useHairpin } from '../../src/react.js';
import { FakeHairpin } from '../fake/hairpin.js';
import { Network } from '../fake/wire.js';

const server = new FakeHairpin();
const network = new Network(server);
const { webSocket } = network;
const clients = new Set<HairpinClient>();
const places = { url: 'http://server/', storage: null, webSocket };

function Call({ stream }: { stream: MediaStream | null }) {
  const { snapshot, remoteStream, client } = useHairpin({ ...places, userId: 'ann', ...(stream ? { stream } : {}) });
  const video = useRef<HTMLVideoElement>(null);
  // Only those that are mounted.
  useEffect(() => void clients.add(client), [client]);
  useEffect(() => {
    if (video.current) video.current.srcObject = remoteStream;
  }, [remoteStream]);
  return (
    <>
      <p id="phase">{snapshot.phase}</p>
      <video id="remote" ref={video} autoPlay muted />
      <button id="find" onClick={() => client.find()} />
    </>
  );
}

function Application() {
  const [shown, show] = useState(true);
  const [stream, setStream] = useState<MediaStream | null>(null);
  Object.assign(globalThis, { show, setStream });
  return shown ? <Call stream={stream} /> : null;
}

function camera(): MediaStream {
  const canvas = Object.assign(document.createElement('canvas'), { width: 64, height: 48 });
  const context = canvas.getContext('2d');
  setInterval(() => context?.fillRect(Math.random() * 64, 0, 9, 9), 50);
  return canvas.captureStream(20);
}

const root = createRoot(document.body.appendChild(document.createElement('div')));
root.render(
  <StrictMode>
    <Application />
  </StrictMode>,
);
const bob = new HairpinClient({ ...places, userId: 'bob', stream: camera() });
Object.assign(globalThis, { server, network, clients, camera, bob, unmount: () => root.unmount() });
