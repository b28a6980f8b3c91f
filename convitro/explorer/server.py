"""Run the explorer: bind, print the address, open a browser where there is one, answer until interrupted."""

from __future__ import annotations

import os
import secrets
import socket
import sys
import threading
import webbrowser
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

import uvicorn
from starlette.applications import Starlette

from convitro.datasets import Dataset
from convitro.errors import ArgumentError
from convitro.explorer.app import create_app
from convitro.explorer.guard import LOCAL_HOSTS
from convitro.explorer.training import Run
from convitro.sources import Network

MAX_CONNECTIONS = 64
BACKLOG = 128


def serve(
    network: Network | Sequence[Network],
    picture: str | Path | bytes | None = None,
    *,
    data: Dataset | Sequence[Dataset | None] | None = None,
    run: Run | None = None,
    host: str = "127.0.0.1",
    port: int = 0,
    browse: bool = True,
) -> None:
    """Show a network in the browser until Ctrl-C. The address, with its secret token, is printed.

    Args:
        network: the network to open (`convitro.sources.open_network`), or several to switch between.
        picture: what it sees first: a bundled name, a path, or a file's bytes; None is the first bundled one.
        data: images 0..1 that the network is looked over on, for all or for each; None takes details of the
            bundled photographs.
        run: the training of the first network, to follow it (`convitro.lab.Run`); None where there is none.
        host: the address to bind, and besides localhost the only one that the page answers under. Anything
            but 127.0.0.1 lets other machines try the token.
        port: 0 takes any free one.
        browse: open the page in a browser where there is a screen.

    Raises:
        ArgumentError: the host or port cannot be bound.
        LoadError: the picture cannot be read.
    """
    token = secrets.token_urlsafe(24)
    with bound_socket(host, port) as listener:
        hosts = LOCAL_HOSTS | {url_host(host).lower()}
        app = create_app(network, picture, token, data=data, run=run, hosts=hosts)
        # The page's first request then finds it done, and a bad picture fails here.
        app.state.shelf.first.anatomy("")
        address = f"http://{url_host(host)}:{listener.getsockname()[1]}/?token={token}"
        print(f"Convitro explorer: {address}\nPress Ctrl-C to stop.", flush=True)
        if browse and has_screen():
            threading.Thread(target=webbrowser.open, args=(address,), daemon=True).start()
        with suppress(KeyboardInterrupt):  # Ctrl-C is how it ends, not an error
            web_server(app).run(sockets=[listener])


def web_server(app: Starlette) -> uvicorn.Server:
    """The server of an application, not yet running."""
    settings = uvicorn.Config(
        app,
        log_level="warning",
        ws="none",  # the page needs no websockets
        access_log=False,  # the first address of a session holds the token
        server_header=False,
        date_header=False,
        limit_concurrency=MAX_CONNECTIONS,
        timeout_graceful_shutdown=2,
    )
    return uvicorn.Server(settings)


def bound_socket(host: str, port: int) -> socket.socket:
    """A listening socket; bound before the address is printed, so that the address is true."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # The protocol is named because asyncio sends small answers at once (TCP_NODELAY) only where it is;
    # otherwise every answer waits 40 ms for the browser's acknowledgement of its head.
    listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    if os.name == "posix":  # elsewhere the option would let two servers share a port
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
        listener.listen(BACKLOG)  # from now on a browser that is quick waits, and is not refused
    except (OSError, OverflowError) as error:
        listener.close()
        raise ArgumentError(
            f"explore: cannot listen on {host}, port {port}.",
            received=str(error),
            hint="leave `port` out to take any free one; the host is 127.0.0.1 for this machine alone",
        ) from error
    return listener


def url_host(host: str) -> str:
    """`host` as it stands in an address: IPv6 in brackets."""
    return f"[{host}]" if ":" in host else host


def has_screen() -> bool:
    """Whether a browser window could appear; in a bare terminal `webbrowser` would start a text browser."""
    if sys.platform.startswith("linux"):
        return bool(os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"))
    return True
