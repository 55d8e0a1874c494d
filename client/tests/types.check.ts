// Never run: tsc reads it against dist/, as an application's would, and fails where an error that is expected does not come.
import { bitrate, HairpinClient } from 'hairpin-client';
import type { CallStats, Events, Options, Snapshot } from 'hairpin-client';
import { useHairpin } from 'hairpin-client/react';

const client = new HairpinClient({ url: new URL('https://calls.example/'), matchMode: 'chess', storage: null });

client.on('left', ({ reason }) => {
  const skipped: boolean = reason === 'skipped';
  // @ts-expect-error: no such reason
  if (reason === 'bored') console.log(skipped);
});
client.on('change', (snapshot: Snapshot) => {
  const { server, queue } = snapshot;
  // @ts-expect-error: there may be no place in the queue
  console.log(queue.position);
  // @ts-expect-error: only when retrying
  console.log(server.retryAt);
  if (server.state === 'retrying') console.log(new Date(server.retryAt));
  // @ts-expect-error: a snapshot is not changed
  snapshot.phase = 'idle';
});
client.on('message', (data) => {
  // @ts-expect-error: it may be binary
  console.log(data.length);
});
const stop: () => void = client.on('stream', (stream: MediaStream | null) => console.log(stream));
stop();

// @ts-expect-error: no such event
client.on('connected', () => {});
// @ts-expect-error: not a device that is sent
void client.useDevice('audiooutput', 'speakers');
// @ts-expect-error: read only
client.snapshot = client.snapshot;
// @ts-expect-error: a number is no data
client.send(5);
// @ts-expect-error: no such option
new HairpinClient({ user: 'ann' });
// @ts-expect-error: left out, not undefined
const options: Options = { userId: undefined };

export const quality = async (before: CallStats): Promise<string> => {
  const stats = await client.stats();
  // @ts-expect-error: null until there is a path
  console.log(stats.quality);
  return stats ? `${stats.quality} ${bitrate(stats, before, 'bytesReceived')}` : 'none';
};
export const error: Events['error'] = { code: 'too_often', remedy: 'wait', temporary: true, message: '' };

export function Component(): string {
  const { snapshot, remoteStream, client } = useHairpin({ matchMode: 'chess' });
  // @ts-expect-error: there may be none
  console.log(remoteStream.id, options);
  client.find();
  return snapshot.phase;
}
