import { StrictMode, useState } from 'react';
import { createRoot } from 'react-dom/client';
import { Room } from './room.jsx';
import './style.css';

const SUBJECTS = ['Mathematics', 'Biology', 'History', 'Spanish'];
/** Where hairpin is: `?server=https://calls.example/`. */
const SERVER = new URLSearchParams(location.search).get('server') ?? 'http://localhost:8080/';

function Application() {
  const [subject, setSubject] = useState(null);
  const [stream, setStream] = useState(null);
  const [problem, setProblem] = useState(null);

  const study = async (subject) => {
    try {
      setStream(await navigator.mediaDevices.getUserMedia({ audio: true, video: true }));
      setSubject(subject);
    } catch {
      setProblem('Your buddy wants to see and hear you: please allow the camera and the microphone.');
    }
  };
  const leave = () => {
    stream.getTracks().forEach((track) => track.stop());
    setSubject(null);
  };

  if (subject) return <Room server={SERVER} subject={subject} stream={stream} onLeave={leave} />;
  return (
    <main>
      <h1>What do you study today?</h1>
      <div className="row">
        {SUBJECTS.map((subject) => (
          <button key={subject} onClick={() => study(subject)}>
            {subject}
          </button>
        ))}
      </div>
      {problem && <p role="alert">{problem}</p>}
    </main>
  );
}

createRoot(document.getElementById('root')).render(
  <StrictMode>
    <Application />
  </StrictMode>,
);
