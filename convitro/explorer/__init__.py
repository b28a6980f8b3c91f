"""The local explorer: a small server that shows one network on one's own pictures.

Here: the web server, its guard, its session. Not here: the page (`view`) and all arithmetic (`anatomy`).
"""

from __future__ import annotations

from convitro.errors import LoadError

try:
    import starlette  # noqa: F401  # asked first, so that the message below names the extra
    import uvicorn  # noqa: F401
except ImportError as error:
    raise LoadError(
        "explorer: Starlette or uvicorn is not installed.",
        hint='`pip install "convitro[explorer]"` adds them',
    ) from error

from convitro.explorer.app import create_app
from convitro.explorer.server import serve

__all__ = ["create_app", "serve"]
