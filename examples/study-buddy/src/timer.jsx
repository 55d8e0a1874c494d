import { useEffect, useState } from 'react';

const FOCUS_MINUTES = 25;

/** Either of the two starts it, and both see it: one message by the call's data channel. */
export function FocusTimer({ client }) {
  const [endsAt, setEndsAt] = useState(null);
  const [now, setNow] = useState(Date.now());

  useEffect(() => {
    // What is left, not when it ends: two clocks do not agree.
    return client.on('message', (data) => {
      const { focus } = JSON.parse(data);
      setEndsAt(focus ? Date.now() + focus : null);
    });
  }, [client]);
  useEffect(() => {
    const timer = setInterval(() => setNow(Date.now()), 1000);
    return () => clearInterval(timer);
  }, []);

  const start = (focus) => {
    if (!client.send(JSON.stringify({ focus }))) return;
    setEndsAt(focus ? Date.now() + focus : null);
  };
  const seconds = Math.max(0, Math.round(((endsAt ?? 0) - now) / 1000));
  if (!endsAt) return <button onClick={() => start(FOCUS_MINUTES * 60_000)}>Focus for {FOCUS_MINUTES} minutes</button>;
  return (
    <p className="row">
      <span id="focus">
        {Math.floor(seconds / 60)}:{String(seconds % 60).padStart(2, '0')}
      </span>
      <button onClick={() => start(0)}>Stop focusing</button>
    </p>
  );
}
