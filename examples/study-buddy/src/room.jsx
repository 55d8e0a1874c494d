import { useEffect, useRef } from 'react';
import { useHairpin } from 'hairpin-client/react';
import { FocusTimer } from './timer.jsx';

/** A buddy for one subject after another, until one leaves. */
export function Room({ server, subject, stream, onLeave }) {
  const { snapshot, remoteStream, client } = useHairpin({ url: server, stream });
  // Whoever studies the same and seeks it: the server declares `subject`.
  useEffect(() => client.find({ attributes: { subject }, seeks: { subject } }), [client, subject]);
  const { phase, partner, local } = snapshot;

  return (
    <main data-phase={phase}>
      <p role="status">{status(snapshot, subject)}</p>
      <div className="videos">
        <Video id="buddy" stream={remoteStream} dimmed={phase !== 'connected' || partner?.camera === false} />
        <Video id="self" stream={stream} dimmed={!local.camera} muted />
      </div>
      <div className="row">
        <button aria-pressed={!local.microphone} onClick={() => client.setMicrophone(!local.microphone)}>
          {local.microphone ? 'Mute' : 'Unmute'}
        </button>
        <button aria-pressed={!local.camera} onClick={() => client.setCamera(!local.camera)}>
          {local.camera ? 'Camera off' : 'Camera on'}
        </button>
        <button disabled={!snapshot.session} onClick={() => client.next()}>
          Next buddy
        </button>
        <button disabled={!snapshot.session} onClick={() => client.block()}>
          Never again
        </button>
        <button onClick={onLeave}>Leave</button>
      </div>
      {phase === 'idle' ? <button onClick={() => client.find()}>Look again</button> : null}
      {snapshot.session && <FocusTimer key={snapshot.session.id} client={client} />}
    </main>
  );
}

/** One sentence. The call and the way to the server are two things: one goes on without the other. */
function status({ phase, server, queue, partner }, subject) {
  const offline = server.state === 'retrying' || server.state === 'connecting';
  switch (phase) {
    case 'idle':
      if (server.code === 'barred') return 'You cannot study with others for some time.';
      return server.state === 'refused' ? 'You are here in another tab.' : 'Nobody studies this right now.';
    case 'looking':
      if (offline) return 'Reaching the server…';
      return queue ? `Looking for somebody who studies ${subject}…` : 'One moment…';
    case 'pairing':
      return 'Here comes your buddy…';
    case 'interrupted':
      return 'The connection is interrupted. It is being mended…';
    case 'connected':
      if (offline) return 'Your call goes on; looking for the server…';
      if (partner.microphone === false) return 'Your buddy is muted.';
      return `You study ${subject} together.`;
  }
}

function Video({ id, stream, dimmed, muted = false }) {
  const video = useRef(null);
  useEffect(() => {
    video.current.srcObject = stream;
  }, [stream]);
  return <video id={id} ref={video} className={dimmed ? 'dimmed' : ''} muted={muted} autoPlay playsInline />;
}
