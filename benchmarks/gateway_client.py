"""What is asked of a gateway, over connections that are kept; for ``gateway.py``."""

from __future__ import annotations

import asyncio
import contextlib
import json
from typing import Any

PAIRS = 4
OUTCOME = {"loss": 0.6, "swapped_loss": 0.8, "margin": 0.2}


class Connection:
    """One client's connection."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def post(self, path: str, body: Any) -> Any:
        """Return the reply's JSON.

        Raises
        ------
        OSError, asyncio.IncompleteReadError
            If the server is gone.
        """
        if self._streams is None:
            self._streams = await asyncio.open_connection("127.0.0.1", self._port)
        reader, writer = self._streams
        data = json.dumps(body).encode()
        head = (
            f"POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
            f"Content-Length: {len(data)}\r\n\r\n"
        )
        writer.write(head.encode() + data)
        answer = (await reader.readuntil(b"\r\n\r\n")).decode().lower()
        length = int(answer.split("content-length: ")[1].split("\r\n")[0])
        found = json.loads(await reader.readexactly(length))
        if " 200 " not in answer.splitlines()[0]:
            raise RuntimeError(f"{path}: {answer.splitlines()[0]}: {found}")
        return found

    def close(self) -> None:
        if self._streams is not None:
            self._streams[1].close()
            self._streams = None


def batch(name: str) -> dict[str, Any]:
    pairs = [
        {"id": f"p{n}", "prompt": f"prompt {name} {n}", "response_a": f"a {name}", "response_b": f"b {name}"}
        for n in range(PAIRS)
    ]
    return {"pairs": pairs, "batch_id": name}


def told(reply: Any) -> dict[str, dict[str, float]]:
    return {one["decision_id"]: dict(OUTCOME) for one in reply["annotations"] if one["label"]}


async def ready(port: int) -> None:
    for _ in range(3000):
        with contextlib.suppress(OSError):
            _, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.close()
            return
        await asyncio.sleep(0.02)
    raise RuntimeError("the gateway did not start")
