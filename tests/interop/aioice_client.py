"""aioice against a TURN server; prints "ok". Run by aioice.rs beside this file.

aioice_client.py echo|ice SERVER:PORT PEER:PORT udp|tcp|tls USERNAME PASSWORD
"""

import asyncio
import sys

import aioice
from aioice.ice import TransportPolicy
from aioice.turn import create_turn_endpoint

ROUND_TRIPS = 20


class Receiver(asyncio.DatagramProtocol):
    """Queues what arrives."""

    def __init__(self):
        self.received = asyncio.Queue()

    def datagram_received(self, data, addr):
        self.received.put_nowait((data, addr))

    def error_received(self, exc):
        self.received.put_nowait((exc, None))


async def echo(server, peer, transport, username, password):
    """Sends to an echo peer through one allocation. aioice binds a channel at once, without a
    CreatePermission before it."""
    relay, receiver = await create_turn_endpoint(
        Receiver, server, username=username, password=password, **over(transport)
    )
    # Each length modulo 4, because a stream pads ChannelData.
    for number in range(ROUND_TRIPS):
        sent = bytes(100 + number)
        relay.sendto(sent, peer)
        assert await receiver.received.get() == (sent, peer)
    relay.close()


async def ice(server, _peer, transport, username, password):
    """Connects two agents that may use relayed candidates only, and sends both ways."""
    agents = [
        aioice.Connection(
            ice_controlling=controlling,
            turn_server=server,
            turn_username=username,
            turn_password=password,
            **{f"turn_{name}": value for name, value in over(transport).items()},
            transport_policy=TransportPolicy.RELAY,
        )
        for controlling in (True, False)
    ]
    await asyncio.gather(*(agent.gather_candidates() for agent in agents))
    for agent, other in (agents, agents[::-1]):
        assert [c.type for c in agent.local_candidates] == ["relay"], agent.local_candidates
        other.remote_username, other.remote_password = agent.local_username, agent.local_password
        for candidate in (*agent.local_candidates, None):
            await other.add_remote_candidate(candidate)
    await asyncio.gather(*(agent.connect() for agent in agents))
    for agent, other in (agents, agents[::-1]):
        await agent.send(b"hello")
        assert await other.recv() == b"hello"
    await asyncio.gather(*(agent.close() for agent in agents))


def over(transport):
    """As aioice says it: TLS is TCP with a flag."""
    return {"transport": "tcp", "ssl": True} if transport == "tls" else {"transport": transport}


def address(text):
    host, port = text.rsplit(":", 1)
    return host, int(port)


if __name__ == "__main__":
    scenario, server, peer, *account = sys.argv[1:]
    run = {"echo": echo, "ice": ice}[scenario]
    asyncio.run(run(address(server), address(peer), *account))
    print("ok")
