// werift against a TURN server; prints "ok". Run by werift.rs beside this file.
//
//   node werift_client.js WERIFT SERVER:PORT udp|tcp|tls USERNAME PASSWORD
//
// Two peer connections that may use relayed candidates only open a data channel, and send both ways.

const [folder, server, transport, username, credential] = process.argv.slice(2);
const { RTCPeerConnection } = require(folder);

const ROUND_TRIPS = 20;

async function main() {
  const [caller, callee] = [connection(), connection()];
  const opened = new Promise((resolve) => callee.onDataChannel.subscribe(resolve));
  const channel = caller.createDataChannel("interop");

  // werift gathers while a description is set: these hold all candidates.
  await caller.setLocalDescription(await caller.createOffer());
  await callee.setRemoteDescription(relayedOnly(caller.localDescription));
  await callee.setLocalDescription(await callee.createAnswer());
  await caller.setRemoteDescription(relayedOnly(callee.localDescription));

  const other = await opened;
  other.onMessage.subscribe((message) => other.send(message));
  const echoes = received(channel);
  await channelIsOpen(channel);
  for (let number = 0; number < ROUND_TRIPS; number++) {
    const sent = "x".repeat(100 + number);
    channel.send(sent);
    const echo = (await echoes.next()).value.toString();
    if (echo !== sent) throw new Error(`round trip ${number}: ${echo}`);
  }
  await Promise.all([caller.close(), callee.close()]);
}

function connection() {
  return new RTCPeerConnection({
    iceTransportPolicy: "relay",
    iceServers: [{ urls: turnUrl(), username, credential }],
    iceUseIpv6: false,
  });
}

function turnUrl() {
  return transport === "tls" ? `turns:${server}?transport=tcp` : `turn:${server}?transport=${transport}`;
}

// The description, if it has a candidate and none that is not relayed.
function relayedOnly(description) {
  const candidates = description.sdp.split("\r\n").filter((line) => line.startsWith("a=candidate:"));
  if (candidates.length === 0 || !candidates.every((line) => line.includes(" typ relay"))) {
    throw new Error(`not relayed candidates alone: ${candidates.join("; ")}`);
  }
  return description;
}

function channelIsOpen(channel) {
  if (channel.readyState === "open") return Promise.resolve();
  return new Promise((resolve) => channel.stateChanged.subscribe((state) => state === "open" && resolve()));
}

// What a channel receives, in order.
async function* received(channel) {
  const waiting = [];
  let wake = () => {};
  channel.onMessage.subscribe((message) => {
    waiting.push(message);
    wake();
  });
  for (;;) {
    while (waiting.length > 0) yield waiting.shift();
    await new Promise((resolve) => (wake = resolve));
  }
}

main().then(
  () => {
    console.log("ok");
    process.exit(0);
  },
  (error) => {
    console.error(error);
    process.exit(1);
  },
);
