"""Whatever is asked: an answer of bounded size, never a crash, and nothing changes for others.

The addresses come from the application's own routes and the names of parameters from its source, so that
a new one is asked too.
"""

from __future__ import annotations

import inspect
import re
from functools import partial
from importlib import import_module
from pkgutil import iter_modules
from urllib.parse import quote_from_bytes, urlencode

import pytest
from anyio.from_thread import BlockingPortal
from hypothesis import example, given
from hypothesis import strategies as st
from starlette.applications import Starlette
from starlette.routing import Route

from convitro import explorer
from convitro.aggregation import aggregations
from convitro.datasets import open_dataset
from convitro.explorer import create_app
from convitro.view import page_files
from tests.explorer.conftest import TOKEN
from tests.explorer.networks import small
from tests.explorer.rawly import HELD, Answer, ask, check
from tests.explorer.runs import finished, opened
from tests.profiles import share

KNOWN_GOOD = (
    ("/api/filter", b"layer=conv1_2&filter=1&aggregation=mean"),
    ("/api/network", b""),
    ("/view/main.js", b""),
)
FITTING = {  # a request that every address answers with what it is for
    "picture": "cat",
    "layer": "conv1_2",
    "filter": "1",
    "start": "0",
    "aggregation": "max",
    "pixel": "1,1",
    "method": "guided",
    "model": "0",
    "classes": "1",
    "epoch": "1",
    "opening": "view=table",
    "compare": "cup",
    "name": "model.onnx",
    "input": "3x12x12",
}
UNASKED = {"/api/picture": "test_bombs.py", "/api/model": "test_models.py"}  # take a body


@pytest.fixture(scope="module")
def app(tmp_path_factory: pytest.TempPathFactory) -> Starlette:
    network, run = opened(finished(tmp_path_factory.mktemp("runs") / "whole"))
    data = open_dataset("details", network.input_size).sample(8)
    return create_app(network, None, TOKEN, data=data, run=run)


@pytest.fixture(scope="module")
def before(portal: BlockingPortal, app: Starlette) -> list[Answer]:
    """What others are answered, before anything strange has been asked."""
    return [ask(portal, app, path, query) for path, query in KNOWN_GOOD]


def paths() -> list[str]:
    app = create_app(small(), None, TOKEN)
    found = [route.path for route in app.routes if isinstance(route, Route)]
    assert len(found) == len(app.routes), "an address of another kind: fuzz it, too"
    return [path.replace("{name:path}", "main.js") for path in found]


def names() -> list[str]:
    """Every name under which the explorer looks into a query."""
    found = (import_module(f"convitro.explorer.{module.name}") for module in iter_modules(explorer.__path__))
    source = "".join(map(inspect.getsource, found))
    return sorted(set(re.findall(r'(?:parameters|self)\.\w+\(\s*"(\w+)"', source)))


@pytest.mark.parametrize("path", [path for path in paths() if path not in UNASKED])
def test_every_address_answers_what_fits(portal: BlockingPortal, app: Starlette, path: str) -> None:
    assert set(FITTING) >= set(names()), "a new parameter: name a value that fits"
    query = urlencode({**FITTING, "token": TOKEN}).encode()
    check(ask(portal, app, path, query), lambda status: status == 200)


NUMBERS = [
    "nan",
    "-nan",
    "inf",
    "-inf",
    "1e308",
    "-1e308",
    "1e-320",
    "-0.0",
    "0",
    "-1",
    "2",
    "9" * 400,
    "1_0",
    "0x10",
    "٣",
    "1e",
    "None",
]
PLAIN = [
    "cat",
    "conv2_1",
    "0",
    "3",
    "4",
    "1",
    "mean",
    "guided",
    "1,1",
    "99999999999",
    "-1",
    "1e3",
    "²",
    "1,²",
    ",",
    "\0",
    "../..",
    "%2e%2e",
    "x" * 301,
    "x" * 5000,
]
specs = st.builds(
    lambda name, options: f"{name}({', '.join(options)})" if options else name,
    st.sampled_from([*aggregations(), "lse", "pnorm", "Sum", "sum ", "()"]),
    st.lists(
        st.builds(
            "{}={}".format,
            st.sampled_from(["beta", "p", "q", "dim", "x", "__class__"]),
            st.sampled_from(NUMBERS),
        ),
        max_size=3,
    ),
)
values = st.one_of(st.sampled_from(PLAIN + NUMBERS), specs, st.text(max_size=40)).map(
    lambda text: text.encode("utf-8", "surrogatepass")
)
pairs = st.lists(
    st.tuples(st.sampled_from(names()) | st.text(max_size=5), values | st.binary(max_size=20)), max_size=8
)


@given(path=st.sampled_from(paths()), query=pairs, plain=st.booleans(), raw=st.binary(max_size=30))
def test_whatever_is_asked(
    portal: BlockingPortal,
    app: Starlette,
    before: list[Answer],
    path: str,
    query: list[tuple[str, bytes]],
    plain: bool,
    raw: bytes,
) -> None:
    """Right and wrong parameters, once, twice, in any bytes."""
    fitting = {**FITTING, "token": TOKEN} if plain else {}
    asked = {**{name: text.encode() for name, text in fitting.items()}, **dict(query)}
    items = [*asked.items(), *query[:2]]
    text = "&".join(f"{quote_name(name)}={quote_from_bytes(value)}" for name, value in items)
    check(ask(portal, app, path, text.encode() + raw))
    assert [ask(portal, app, *good) for good in KNOWN_GOOD[:1]] == before[:1]


def quote_name(name: str) -> str:
    return quote_from_bytes(name.encode("utf-8", "surrogatepass"))


@example(spec="powermean(p=1e308)")
@given(spec=specs)
@share(0.5)
def test_any_aggregation(portal: BlockingPortal, app: Starlette, before: list[Answer], spec: str) -> None:
    query = urlencode({**FITTING, "aggregation": spec}).encode()
    for path in ("/api/filter", "/api/combined", "/api/outcome"):
        check(ask(portal, app, path, query))
    assert ask(portal, app, *KNOWN_GOOD[0]) == before[0]


NAMES = [
    b"host",
    b"origin",
    b"authorization",
    b"cookie",
    b"content-length",
    b"content-type",
    b"transfer-encoding",
    b"range",
    b"expect",
    b"x-picture-name",
    b"if-none-match",
]
CONTENTS = [
    b"",
    b"127.0.0.1:8000",
    b"evil.example",
    b"[::1",
    b"http://127.0.0.1:8000",
    b"null",
    b"Bearer",
    b"Bearer " + TOKEN.encode(),
    b"convitro=\xff; =;;",
    b"-1",
    b"\xb2",
    b"9" * 5000,
    b"chunked",
    b"bytes=0-",
    b"%ff%00",
    b"\x00",
    b"a" * 9000,
]
headers = st.lists(
    st.tuples(st.sampled_from(NAMES), st.sampled_from(CONTENTS) | st.binary(max_size=30)), max_size=6
)
METHODS = [
    "GET",
    "HEAD",
    "POST",
    "PUT",
    "DELETE",
    "PATCH",
    "OPTIONS",
    "TRACE",
    "CONNECT",
    "get",
    "PROPFIND",
    "",
    "G\0T",
]


@example("/api/picture", "POST", [(b"content-length", b"\xb2")], True, [b"x"])
@example("/api/picture", "POST", [(b"content-length", b"9" * 5000)], True, [b"x"])
@given(
    path=st.sampled_from(paths()),
    method=st.sampled_from(METHODS),
    extra=headers,
    held=st.booleans(),
    body=st.lists(st.binary(max_size=50), max_size=3),
)
def test_whatever_methods_headers_and_bodies(
    portal: BlockingPortal,
    app: Starlette,
    before: list[Answer],
    path: str,
    method: str,
    extra: list[tuple[bytes, bytes]],
    held: bool,
    body: list[bytes],
) -> None:
    request = partial(ask, portal, app, path, b"layer=conv1_1", method=method, body=body)
    check(request(headers=[*HELD, *extra] if held else extra))
    assert ask(portal, app, *KNOWN_GOOD[0]) == before[0]


steps = st.sampled_from(
    [
        "..",
        ".",
        "",
        "view",
        "api",
        "filter",
        "main.js",
        "vendor",
        "%2e%2e",
        "etc",
        "passwd",
        "\0",
        "\\..",
        "page.py",
        "é",
        "~",
    ]
)


@given(
    parts=st.lists(steps | st.text(max_size=6), max_size=8),
    start=st.sampled_from(["/view/", "/api/", "/", "//"]),
)
def test_whatever_path(portal: BlockingPortal, app: Starlette, parts: list[str], start: str) -> None:
    """Only the page's own files are ever served, under their own names."""
    path = start + "/".join(parts)
    answer = ask(portal, app, path, urlencode({**FITTING}).encode())
    check(answer)
    files = {file.content for file in page_files().values()}
    if answer.status == 200 and path not in paths():
        assert answer.body in files
        assert path.removeprefix("/view/") in page_files()
