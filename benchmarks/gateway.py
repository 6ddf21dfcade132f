"""What the gateway itself costs, whether it keeps its memory, and what a kill loses.

Run ``python benchmarks/gateway.py --json -`` (``--help`` for the rest). A gateway is served in a process of its own on
the loopback interface, with reward models that answer at once and contexts (d = 576, 4 arms) that cost next to
nothing, so that what is measured is HTTP, queue, bandit, log and ``fsync``. Clients share one process and keep their
connections; a client asks again as soon as it is answered.

* ``annotate``: 4 pairs a request, a batch of their own; ``feedback``: the 4 outcomes of one such batch;
  ``classify``: one completion of a new prompt, nothing waited for. ``cpu_ms`` is the gateway's processor time a
  request, which depends less than the others on what else the machine does.
* ``--soak SECONDS``: a mix of all by 8 clients; the process's resident memory over time. What is remembered is
  bounded, and full after the first part; ``growth_mib`` is between the median of the second third and of the last,
  ``bytes_per_pair`` the same for each pair that was labelled in between. One thing grows by design: the paper's
  bandit reward is on the percentiles of all past ones (App. B), some 40 bytes each.
* ``--kills N``: ``kill -9`` at a random moment under the load of 8 clients, N times, with the state saved every 20
  events, so that many kills fall into a saving. After every restart each outcome that was ever acknowledged is sent
  again: it must be known to be a duplicate. ``lost`` counts those that are not.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import random
import shutil
import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

from figures import add_json_option, write_figures
from gateway_client import OUTCOME, PAIRS, Connection, batch, ready, told
from gateway_served import DIMENSION, NAMES, Served

CLIENTS = (1, 16, 64)


async def speed(served: Served, clients: int, requests: int, run: str) -> dict[str, dict[str, float]]:
    """Return requests/s, percentiles and the server's processor time of each kind, one after the other."""
    connections = [Connection(served.port) for _ in range(clients)]
    replies: list[Any] = []

    async def timed(kind: str, client: int, n: int) -> float:
        name = f"{run}-{client}-{n}"
        path, body = {
            "annotate": ("/v1/annotate", lambda: batch(name)),
            "feedback": ("/v1/feedback", lambda: {"outcomes": told(replies.pop())}),
            "classify": (
                "/classify",
                lambda: {
                    "messages": [{"role": "user", "content": name}, {"role": "assistant", "content": "yes"}],
                    "use_activation": False,
                },
            ),
        }[kind]
        data = body()
        begun = time.perf_counter()
        reply = await connections[client].post(path, data)
        if kind == "annotate":
            replies.append(reply)
        return time.perf_counter() - begun

    found = {}
    for kind in ("annotate", "feedback", "classify"):
        each = requests // clients

        async def client(number: int, kind: str = kind, each: int = each) -> list[float]:
            return [await timed(kind, number, n) for n in range(each)]

        begun, used = time.perf_counter(), served.cpu_seconds
        lists = await asyncio.gather(*(client(number) for number in range(clients)))
        seconds = time.perf_counter() - begun
        times = sorted(one for part in lists for one in part)
        found[kind] = {
            "requests_per_s": len(times) / seconds,
            "p50_ms": 1000 * times[len(times) // 2],
            "p99_ms": 1000 * times[min(len(times) - 1, int(0.99 * len(times)))],
            "cpu_ms": 1000 * (served.cpu_seconds - used) / len(times),
        }
    for one in connections:
        one.close()
    return found


async def load(port: int, client: int, run: str, stop: asyncio.Event, acknowledged: list[str]) -> int:
    """Label, teach and score until told to stop or the server is gone; return the number of requests."""
    connection, n = Connection(port), 0
    with contextlib.suppress(OSError, asyncio.IncompleteReadError):
        while not stop.is_set():
            outcomes = told(await connection.post("/v1/annotate", batch(f"{run}-{client}-{n}")))
            await connection.post("/v1/feedback", {"outcomes": outcomes})
            acknowledged += outcomes
            chat = [
                {"role": "user", "content": f"{run} {client} {n}"},
                {"role": "assistant", "content": "yes"},
            ]
            await connection.post("/classify", {"messages": chat})
            n += 1
    connection.close()
    return 3 * n


async def soak(served: Served, seconds: float) -> dict[str, Any]:
    """Return the memory over time under a mix of all."""
    stop, memory, labelled, pairs = asyncio.Event(), [], [], []
    clients = [asyncio.create_task(load(served.port, n, "soak", stop, labelled)) for n in range(8)]
    begun = time.monotonic()
    while time.monotonic() - begun < seconds:
        await asyncio.sleep(seconds / 60)
        memory.append(served.resident_mib)
        pairs.append(len(labelled))
    stop.set()
    requests = sum(await asyncio.gather(*clients))
    third = len(memory) // 3
    grown, more = (
        statistics.median(series[2 * third :]) - statistics.median(series[third : 2 * third])
        for series in (memory, pairs)
    )
    return {
        "seconds": seconds,
        "requests": requests,
        "pairs": pairs[-1],
        "rss_mib": memory,
        "growth_mib": grown,
        "bytes_per_pair": grown * 2**20 / max(more, 1),
    }


async def kills(folder: Path, count: int) -> dict[str, Any]:
    """Return what was acknowledged, and what of it was lost."""
    chance, acknowledged, lost = random.Random(0), [], set()
    for number in range(count + 1):
        served = Served(folder, "saving.every_events=20")
        await ready(served.port)
        connection = Connection(served.port)
        for start in range(0, len(acknowledged), 500):
            again = {name: dict(OUTCOME) for name in acknowledged[start : start + 500]}
            reply = await connection.post("/v1/feedback", {"outcomes": again})
            lost |= again.keys() - set(reply.get("duplicate", []))
        connection.close()
        if number < count:
            clients = [
                asyncio.create_task(load(served.port, n, f"kill{number}", asyncio.Event(), acknowledged))
                for n in range(8)
            ]
            before = len(acknowledged)
            while len(acknowledged) == before:  # on a slow machine the load comes late
                await asyncio.sleep(0.01)
            await asyncio.sleep(chance.uniform(0.0, 0.5))
            served.kill()
            await asyncio.gather(*clients)
        else:
            served.kill()
    return {"kills": count, "acknowledged": len(acknowledged), "lost": len(lost)}


async def measure(arguments: argparse.Namespace, folder: Path) -> dict[str, Any]:
    found: dict[str, Any] = {
        "clients": {},
        "pairs_per_request": PAIRS,
        "dimension": DIMENSION,
        "arms": len(NAMES),
    }
    served = Served(folder / "speed")
    await ready(served.port)
    await speed(served, 4, 40, "warm")
    for clients in CLIENTS:
        found["clients"][clients] = await speed(
            served, clients, max(clients, arguments.requests), f"speed{clients}"
        )
    served.kill()
    if arguments.soak:
        served = Served(folder / "soak")
        await ready(served.port)
        found["soak"] = await soak(served, arguments.soak)
        served.kill()
    if arguments.kills:
        found["kills"] = await kills(folder / "kills", arguments.kills)
    return found


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add_json_option(parser, default="-")
    parser.add_argument("--requests", type=int, default=1000, help="of each kind, for each number of clients")
    parser.add_argument("--soak", type=float, default=0.0, metavar="SECONDS")
    parser.add_argument("--kills", type=int, default=0, metavar="N")
    arguments = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="gateway-"))
    try:
        figures = asyncio.run(measure(arguments, folder))
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    write_figures(figures, arguments.json)


if __name__ == "__main__":
    main()
