"""libnice against a TURN server; prints "ok". Run by libnice.rs beside this file, with Debian's own Python.

libnice_client.py SERVER:PORT udp|tcp USERNAME PASSWORD

Two agents that may use relayed candidates only connect, and send both ways.
"""

import ctypes
import sys

try:
    import gi

    gi.require_version("Nice", "0.1")
    from gi.repository import GLib, Nice
except (ImportError, ValueError) as error:
    print(f"{error}: Debian has it in python3-gi and gir1.2-nice-0.1", file=sys.stderr)
    sys.exit(77)

DEADLINE_SECONDS = 20
ROUND_TRIPS = 20
COMPONENT = 1
CONTEXT = GLib.MainContext.default()

# What receives is not in the introspected part of libnice.
library = ctypes.CDLL("libnice.so.10")
Receive = ctypes.CFUNCTYPE(
    None, ctypes.c_void_p, ctypes.c_uint, ctypes.c_uint, ctypes.c_uint, ctypes.c_void_p, ctypes.c_void_p
)
library.nice_agent_attach_recv.argtypes = [ctypes.c_void_p, ctypes.c_uint, ctypes.c_uint, ctypes.c_void_p]
library.nice_agent_attach_recv.argtypes += [Receive, ctypes.c_void_p]


class Agent:
    """An agent with one stream of one component, driven by the default main context."""

    def __init__(self, controlling, server, relay_type, username, password):
        self.agent = Nice.Agent.new(CONTEXT, Nice.Compatibility.RFC5245)
        self.agent.set_property("controlling-mode", controlling)
        self.agent.set_property("force-relay", True)
        self.agent.set_property("upnp", False)
        local = Nice.Address()
        local.set_from_string("127.0.0.1")
        self.agent.add_local_address(local)
        self.gathered, self.states, self.received = False, [], []
        self.agent.connect("candidate-gathering-done", self.gathering_is_done)
        self.agent.connect("component-state-changed", lambda *changed: self.states.append(changed[-1]))
        self.stream = self.agent.add_stream(1)
        self.agent.set_relay_info(self.stream, COMPONENT, *server, username, password, relay_type)
        # Kept, because libnice does not keep it alive. PyGObject's hash is the object's address.
        self.receive = Receive(lambda _a, _s, _c, length, bytes, _u: self.received.append(ctypes.string_at(bytes, length)))
        attached = library.nice_agent_attach_recv(hash(self.agent), self.stream, COMPONENT, hash(CONTEXT), self.receive, None)
        assert attached

    def gathering_is_done(self, *_):
        self.gathered = True

    def learn(self, other):
        """Takes the other's credentials and candidates."""
        _, ufrag, password = other.agent.get_local_credentials(other.stream)
        assert self.agent.set_remote_credentials(self.stream, ufrag, password)
        candidates = other.agent.get_local_candidates(other.stream, COMPONENT)
        assert [c.type for c in candidates] == [Nice.CandidateType.RELAYED], "relayed candidates alone"
        assert self.agent.set_remote_candidates(self.stream, COMPONENT, candidates) == 1

    def is_ready(self):
        assert Nice.ComponentState.FAILED not in self.states, "the checks failed"
        return Nice.ComponentState.READY in self.states

    def send(self, payload):
        sent = self.agent.send(self.stream, COMPONENT, len(payload), payload)
        assert sent == len(payload), sent


def wait_until(what, condition):
    """Lets libnice work until the condition holds."""
    late = []
    GLib.timeout_add_seconds(DEADLINE_SECONDS, lambda: late.append(True))
    while not condition():
        assert not late, f"not in time: {what}"
        CONTEXT.iteration(True)


def main(server, transport, username, password):
    host, port = server.rsplit(":", 1)
    relay_type = {"udp": Nice.RelayType.UDP, "tcp": Nice.RelayType.TCP}[transport]
    agents = [Agent(controlling, (host, int(port)), relay_type, username, password) for controlling in (True, False)]
    for agent in agents:
        assert agent.agent.gather_candidates(agent.stream)
    wait_until("gathered", lambda: all(agent.gathered for agent in agents))
    a, b = agents
    a.learn(b)
    b.learn(a)
    wait_until("connected", lambda: all(agent.is_ready() for agent in agents))
    for sender, receiver in ((a, b), (b, a)):
        for number in range(ROUND_TRIPS):
            # Each length modulo 4, because a stream pads ChannelData.
            payload = "x" * (100 + number)
            sender.send(payload)
            wait_until("received", lambda: receiver.received)
            assert receiver.received.pop() == payload.encode()
    closed = []
    for agent in agents:
        agent.agent.close_async(lambda *_: closed.append(True))
    wait_until("closed", lambda: len(closed) == len(agents))
    print("ok")


if __name__ == "__main__":
    main(*sys.argv[1:])
