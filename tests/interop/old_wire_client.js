// A client as apps have it that were written for the first wire: four messages out, five in, `skip` and
// `end_session` without a word about which session. It runs in node, so signals are just JSON.
//
//   node old_wire_client.js FOLDER URL      FOLDER has npm's `ws` in its node_modules

const assert = require("node:assert/strict");
const { createRequire } = require("node:module");

const [folder, url] = process.argv.slice(2);
const WebSocket = createRequire(`${folder}/`)("ws");

/** A user of such an app: what it hears is kept until it is asked for, as the text that came. */
class User {
  unread = [];
  #wake = () => {};

  constructor(name) {
    this.name = name;
    this.socket = new WebSocket(url);
    this.socket.onmessage = ({ data }) => {
      this.unread.push(data);
      this.#wake();
    };
  }

  async opened() {
    if (this.socket.readyState === WebSocket.CONNECTING)
      await new Promise((resolve, reject) => Object.assign(this.socket, { onopen: resolve, onerror: reject }));
  }

  say(text) {
    this.socket.send(text);
  }

  joins() {
    this.say(`{"type":"join_queue","data":{"userId":"${this.name}","matchMode":"default"}}`);
  }

  /**
   * The next message, which must be of this type and have nothing but a type and a payload of these fields. A place in the
   * queue may be told again at any time, as it always might; two who have just parted meet again after some seconds.
   */
  async hears(type, ...fields) {
    const deadline = setTimeout(() => fail(`${this.name} waits for ${type}`), 15000);
    let text, message;
    do {
      while (!this.unread.length) await new Promise((resolve) => (this.#wake = resolve));
      text = this.unread.shift();
      message = JSON.parse(text);
    } while (message.type === "queued" && type !== "queued");
    clearTimeout(deadline);
    assert.equal(message.type, type, `${this.name} heard ${text}`);
    assert.deepEqual(Object.keys(message), ["type", "payload"], text);
    const keys = Object.keys(message.payload).filter((key) => key !== "etaMs");
    assert.deepEqual(keys.sort(), fields.sort(), text);
    return { ...message.payload, text };
  }

  /** With how many wait, and how long it may be, where that is known. */
  async queued() {
    const queued = await this.hears("queued", "position", "waiting");
    assert.equal(typeof queued.position, "number");
    return queued;
  }

  matched() {
    return this.hears("match_found", "sessionId", "partnerId", "isInitiator", "iceServers", "iceTtl");
  }

  left() {
    return this.hears("partner_left", "sessionId", "reason");
  }
}

/** Both wait or come, in this order, and are told of each other. */
async function meet(first, second) {
  const [one, other] = await Promise.all([first.matched(), second.matched()]);
  assert.equal(one.sessionId, other.sessionId);
  assert.deepEqual([one.partnerId, other.partnerId], [second.name, first.name]);
  assert.deepEqual([one.isInitiator, other.isInitiator].sort(), [false, true]);
  assert.ok(one.iceServers.some(({ urls }) => [urls].flat().some((url) => url.startsWith("turn:"))), one.text);
  return one.sessionId;
}

async function main() {
  await Promise.all([ann.opened(), bob.opened()]);
  ann.joins();
  assert.equal((await ann.queued()).text, '{"type":"queued","payload":{"position":1,"waiting":1}}');
  bob.joins();
  let session = await meet(ann, bob);

  // With names that a JSON library would write otherwise, in another order, and a number that has no double.
  const signal = '{"type":"offer", "sdp":"v=0\\r\\n\\u00e9", "n":12345678901234567890, "a":null}';
  ann.say(`{"type":"signal","data":{"sessionId":"${session}","targetUserId":"bob","signal":${signal}}}`);
  const { text } = await bob.hears("signal", "sessionId", "signal");
  assert.equal(text, `{"type":"signal","payload":{"sessionId":"${session}","signal":${signal}}}`);

  bob.say('{"type":"skip"}');
  assert.equal((await ann.left()).text, `{"type":"partner_left","payload":{"sessionId":"${session}","reason":"skipped"}}`);
  await bob.queued();
  ann.joins();
  session = await meet(bob, ann);

  // The partner's skip has ended it already: this one still queues, as both may press *Next* at once.
  ann.say('{"type":"skip"}');
  bob.say('{"type":"skip"}');
  const [first, second] = (await bob.left()).reason === "skipped" ? [ann, bob] : [bob, ann];
  await first.queued();
  session = await meet(first, second);

  ann.say('{"type":"end_session"}');
  assert.equal((await bob.left()).reason, "ended");
  bob.say('{"type":"end_session"}');
  bob.joins();
  await bob.queued();
  ann.joins();
  session = await meet(bob, ann);

  // For such a client a place goes with its socket, and the partner hears of it at once.
  const since = Date.now();
  ann.socket.terminate();
  assert.equal((await bob.left()).reason, "disconnected");
  assert.ok(Date.now() - since < 1000, "at once");
  bob.joins();
  await bob.queued();
  bob.say('{"type":"leave_queue"}');
  bob.socket.close(1000);
}

function fail(why) {
  console.error(why, { ann: ann.unread, bob: bob.unread });
  process.exit(1);
}

const [ann, bob] = ["ann", "bob"].map((name) => new User(name));
main().then(() => { console.log("ok"); process.exit(0); }, fail);
