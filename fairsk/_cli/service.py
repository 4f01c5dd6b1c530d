"""The service behind ``fairsk monitor serve``: one process, one socket, until it is stopped."""

from __future__ import annotations

import contextlib
import socket
import sys
from collections.abc import Sequence
from typing import Any

from fairsk._core.messages import show

__all__ = ["address_of", "listen", "make_server", "run_service"]

#: More requests than this at once are answered with 503, before anything is read of them.
_MOST_AT_ONCE = 200


def run_service(application: Any, listening: socket.socket, what: Sequence[str]) -> None:
    """Serve an ASGI application until the process is told to stop.

    Parameters
    ----------
    application : ASGI callable
        What is served.
    listening : socket
        Where.
    what : sequence of str
        The paths to name.

    Raises
    ------
    ImportError
        If the extra ``fairsk[serve]`` is not installed.
    """
    server = make_server(application)
    address = address_of(listening)
    sys.stdout.write("".join(f"{address}{path}\n" for path in what))
    sys.stdout.flush()
    with contextlib.suppress(KeyboardInterrupt):  # it has closed in peace by then
        server.run(sockets=[listening])


def make_server(application: Any) -> Any:
    """Return a server of an ASGI application, which has not started: a ``uvicorn.Server``."""
    import uvicorn

    config = uvicorn.Config(
        application,
        access_log=False,  # who looks, and who has a concern, is nobody's business
        limit_concurrency=_MOST_AT_ONCE,
        lifespan="auto",
        log_level="warning",
        server_header=False,
    )
    return uvicorn.Server(config)


def listen(host: str, port: int) -> socket.socket:
    """Open a socket.

    Parameters
    ----------
    host : str
        An address of this machine.
    port : int
        A port; 0 for a free one.

    Raises
    ------
    ImportError
        If the extra ``fairsk[serve]`` is not installed.
    ValueError
        If there is no such port or address, or another process has it.
    """
    try:
        import uvicorn  # noqa: F401  (what will serve: better told before than after)
    except ImportError:
        raise ImportError('The service needs uvicorn: pip install "fairsk[serve]" brings it.') from None
    if not 0 <= port <= 65_535:
        raise ValueError(f"--port must lie between 0 and 65535; got {port}.")
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family)
    except OSError as error:
        raise ValueError(
            f"--host {show(host)} --port {port} cannot be listened on: {error.strerror or error}."
        ) from None


def address_of(listening: socket.socket) -> str:
    """Return the address of a socket, as a browser takes it."""
    host, port = listening.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
