"""The process: it listens until it is told to stop, finishes what it has begun, saves, and ends."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import os
import resource
import signal
import socket
import threading
from collections.abc import Iterator

import uvicorn
from uvicorn.protocols.http.auto import AutoHTTPProtocol

from rewardrouter.config.serve import ServeConfig
from rewardrouter.errors import ConfigError
from rewardrouter.serve.app import make_app
from rewardrouter.serve.gateway import Gateway
from rewardrouter.serve.protection import Protection, is_loopback
from rewardrouter.serve.said import say

HEAD_SECONDS = 30.0
"""How long a client that has connected may take to ask for anything."""


def token_of(config: ServeConfig) -> str | None:
    """Return the token of the environment.

    Raises
    ------
    ConfigError
        If there is none, and others than this machine could ask.
    """
    token = os.environ.get(config.token_env, "").strip()
    if token:
        return token
    if not is_loopback(config.host):
        raise ConfigError(
            f"host {config.host}: others could reach it, which needs a token; set the environment variable"
            f" {config.token_env}, or listen on 127.0.0.1"
        )
    return None


def check_address(config: ServeConfig) -> None:
    """Check that one can listen where one should, before anything is loaded or left on disk.

    Raises
    ------
    ConfigError
        If there is no such host, the port is in use, or one may not listen there.
    """
    try:
        for family, kind, _, _, address in socket.getaddrinfo(
            config.host, config.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        ):
            with contextlib.closing(socket.socket(family, kind)) as tried:
                tried.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # as asyncio does
                if family == socket.AF_INET6:
                    tried.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
                tried.bind(address)
    except OSError as error:
        raise ConfigError(
            f"cannot listen on {config.host}, port {config.port}: {error.strerror or error}; give another --host or"
            " --port"
        ) from error


def serve(gateway: Gateway, token: str | None) -> None:
    """Answer requests until the process is told to stop (SIGTERM, or Ctrl-C); the state is saved on return.

    Raises
    ------
    ConfigError
        If it cannot listen where it should.
    """
    config = gateway.config
    _, protected = make_app(gateway, token)
    server = GatewayServer(gateway, protected)
    _allow_connections()
    gateway.worker.start()
    # What was loaded stays: the garbage collector need not go through all of it while requests wait.
    gc.collect()
    gc.freeze()
    try:
        server.run()
    except SystemExit as ended:  # uvicorn has said why on its own log
        raise ConfigError(f"cannot listen on {config.host}, port {config.port}: is it in use?") from ended
    finally:
        gateway.worker.stop()


def _allow_connections() -> None:
    """Let this process have as many files open as it may: a trainer may send a whole batch at once."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


class _Protocol(AutoHTTPProtocol):  # type: ignore[misc, valid-type]
    """HTTP that does not keep connections on which nothing is ever asked."""

    def connection_made(self, transport: asyncio.Transport) -> None:
        super().connection_made(transport)
        self._patience = self.loop.call_later(HEAD_SECONDS, self._leave_the_silent)

    def connection_lost(self, exc: Exception | None) -> None:
        self._patience.cancel()
        super().connection_lost(exc)

    def _leave_the_silent(self) -> None:
        if self.cycle is None:
            self.transport.close()


class GatewayServer(uvicorn.Server):
    """A uvicorn that refuses what is new and finishes what is old before it goes."""

    def __init__(self, gateway: Gateway, protected: Protection) -> None:
        config = gateway.config
        super().__init__(
            uvicorn.Config(
                protected,
                host=config.host,
                port=config.port,
                http=_Protocol,
                lifespan="off",
                log_level="error",
                access_log=False,
                server_header=False,
                timeout_graceful_shutdown=1,
            )
        )
        self._gateway, self._protected = gateway, protected

    @property
    def port(self) -> int:
        """Where it listens, once it does."""
        return int(self.servers[0].sockets[0].getsockname()[1])

    async def startup(self, sockets: list[object] | None = None) -> None:  # type: ignore[override]
        """Begin to listen, and say so."""
        await super().startup(sockets)  # type: ignore[arg-type]
        if not self.started:
            return
        config, worker = self._gateway.config, self._gateway.worker
        host = f"[{config.host}]" if ":" in config.host else config.host
        say(
            f"serving {worker.view.strategy} over {len(worker.view.arms)} reward models on http://{host}:{self.port}"
            f" | state: {config.state} ({worker.view.events:,} events) | stop: Ctrl-C"
        )

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Drain at the first signal, go at once at the second."""
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        loop = asyncio.get_running_loop()
        signals = (signal.SIGTERM, signal.SIGINT)
        for one in signals:
            loop.add_signal_handler(one, self._stop)
        try:
            yield
        finally:
            for one in signals:
                loop.remove_signal_handler(one)

    def _stop(self) -> None:
        if self._protected.draining:
            self.should_exit = self.force_exit = True
            return
        self._protected.draining = True
        self._draining = asyncio.get_running_loop().create_task(self._drain())

    async def _drain(self) -> None:
        seconds = self._gateway.config.limits.drain_seconds
        say(f"stopping: finishing what is in work ({self._protected.working}), at most {seconds:g} s")
        try:
            await asyncio.wait_for(self._protected.idle(), seconds)
        except TimeoutError:
            say(f"stopping: {self._protected.working} requests were not finished")
        self.should_exit = True
