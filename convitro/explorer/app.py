"""The explorer's addresses: the page, its files, and the documents it reads."""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import unquote

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from convitro.anatomy import answer
from convitro.datasets import Dataset
from convitro.errors import ConvitroError
from convitro.explorer.guard import LOCAL_HOSTS, Guard
from convitro.explorer.opening import opened_model
from convitro.explorer.parameters import Parameters
from convitro.explorer.problems import (
    RequestProblem,
    answer_error,
    answer_http,
    answer_problem,
    problem_response,
)
from convitro.explorer.saved import session_page
from convitro.explorer.session import Session
from convitro.explorer.shelf import Shelf
from convitro.explorer.training import Following, Run
from convitro.explorer.upload import read_upload
from convitro.explorer.work import Workbench
from convitro.sources import Network
from convitro.view import (
    Document,
    answer_document,
    cancellation_document,
    combined_document,
    compared_document,
    filter_document,
    health_document,
    input_document,
    maps_document,
    network_document,
    page_files,
    patches_document,
    pictures_document,
    table_document,
)

Compute = Callable[[Session, Parameters], Document]


def create_app(
    network: Network | Sequence[Network],
    picture: str | Path | bytes | None,
    token: str,
    *,
    data: Dataset | Sequence[Dataset | None] | None = None,
    run: Run | None = None,
    hosts: frozenset[str] = LOCAL_HOSTS,
) -> Starlette:
    """The explorer as an ASGI application.

    Args:
        network: the network to open, or several between which the page can switch; the first is shown first.
        picture: what it sees first: a bundled name, a path, a file's bytes; None is the first bundled one.
        token: the secret without which nothing is answered.
        data: images 0..1 to look over, for all networks or for each; None takes details of the photographs.
        run: the training of the first network, to follow it; None where there is none.
        hosts: names under which the server may be addressed.
    """
    networks = [network] if isinstance(network, Network) else list(network)
    shelf = Shelf(networks, picture, data)
    followed = Following(shelf.first, run)
    routes = [
        Route("/", page),
        Route("/view/{name:path}", view_file),
        Route("/api/alive", alive),
        Route("/api/network", document(network_of)),
        Route("/api/models", models),
        Route("/api/answer", document(answer_of)),
        Route("/api/pictures", document(pictures_of)),
        Route("/api/table", document(table_of)),
        Route("/api/maps", document(maps_of)),
        Route("/api/inputs", document(inputs_of)),
        Route("/api/filter", document(filter_of)),
        Route("/api/cancellation", document(cancellation_of, lane="background")),
        Route("/api/combined", document(combined_of, lane="background")),
        Route("/api/compared", document(compared_of, lane="beside")),
        Route("/api/outcome", document(outcome_of, lane="background")),
        Route("/api/projection", document(projection_of, lane="background")),
        Route("/api/patches", document(patches_of, lane="background")),
        Route("/api/health", document(health_of, lane="background")),
        Route("/api/looking", looking),
        Route("/api/session", session_file),
        *training_routes(followed),
        Route("/api/picture", upload, methods=["POST"]),
        Route("/api/model", open_model, methods=["POST"]),
    ]
    guard = Middleware(Guard, token=token, hosts=hosts, policy=content_policy())
    handlers: Any = {
        RequestProblem: answer_problem,
        ConvitroError: answer_error,
        HTTPException: answer_http,
    }
    app = Starlette(routes=routes, middleware=[guard], exception_handlers=handlers)
    app.router.redirect_slashes = False  # an address has one form
    app.state.shelf, app.state.followed = shelf, followed
    app.state.workbench, app.state.background, app.state.beside = Workbench(), Workbench(), Workbench()
    return app


def content_policy() -> str:
    """Nothing but this server's own files; of inline scripts only the page's import map, by its hash."""
    html = page_files()["index.html"].content
    scripts = re.findall(rb'<script type="importmap">(.*?)</script>', html, re.DOTALL)
    hashes = " ".join(
        f"'sha256-{base64.b64encode(hashlib.sha256(script).digest()).decode()}'" for script in scripts
    )
    return (
        f"default-src 'none'; script-src 'self' {hashes}; style-src 'self'; img-src 'self' data: blob:; "
        "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    )


async def page(request: Request) -> Response:
    """The page itself."""
    file = page_files()["index.html"]
    return Response(file.content, media_type=file.media_type)


async def view_file(request: Request) -> Response:
    """A file of the page, by a name of the fixed table."""
    file = page_files().get(request.path_params["name"])
    if file is None:
        return problem_response(404, "The page has no such file.")
    return Response(file.content, media_type=file.media_type)


async def alive(request: Request) -> Response:
    """A sign of life, for the page that waits for the server to come back."""
    return JSONResponse({"alive": True})


async def upload(request: Request) -> Response:
    """Take one's own picture (the raw bytes of a file) and answer with its id."""
    session: Session = request.app.state.shelf.first  # all share the pictures
    data = await read_upload(request)
    name = unquote(request.headers.get("x-picture-name", ""))[:80] or "your picture"
    picture = await request.app.state.workbench.run(request, lambda: session.add(data, name))
    return JSONResponse({"id": picture.id, "name": picture.name})


async def models(request: Request) -> Response:
    """The networks between which the page can switch."""
    return JSONResponse({"models": request.app.state.shelf.facts()})


async def looking(request: Request) -> Response:
    """How far the network has got with the images that it is passing; answered while it does."""
    parameters = Parameters(request.query_params)
    return JSONResponse(request.app.state.shelf.session(parameters.text("model")).looking.progress)


async def open_model(request: Request) -> Response:
    """Take a model file (its raw bytes), open it without running anything in it, and answer with its id."""
    id, network = await opened_model(request, request.app.state.beside.run)
    request.app.state.shelf.add(id, network)
    return JSONResponse({"id": id, "name": network.name})


async def session_file(request: Request) -> Response:
    """All that is open as one HTML file to keep; never shown under this server's name."""
    parameters = Parameters(request.query_params)
    session = request.app.state.shelf.session(parameters.text("model"))
    work: Workbench = request.app.state.background
    following = request.app.state.followed.by(session)
    page = await work.run(request, lambda: session_page(following, parameters).encode())
    return Response(
        page, media_type="application/octet-stream", headers={"content-disposition": "attachment"}
    )


def document(compute: Compute, lane: str = "workbench") -> Callable[[Request], Any]:
    """An endpoint that computes a document: in the lane that a person waits for, beside it or behind it."""

    async def endpoint(request: Request) -> Response:
        parameters = Parameters(request.query_params)
        session = request.app.state.shelf.session(parameters.text("model"))
        work: Workbench = getattr(request.app.state, lane)
        data = await work.run(request, lambda: compute(session, parameters).to_bytes())
        return Response(data, media_type="application/octet-stream")

    return endpoint


def training_routes(followed: Following) -> list[Route]:
    """The addresses of the training that the page follows; it is that of the first network alone."""
    of = followed.by
    return [
        Route("/api/training", document(lambda session, _: of(session).training())),
        Route("/api/epoch", document(lambda session, asked: of(session).epoch(asked))),
        Route("/api/epoch_filter", document(lambda session, asked: of(session).epoch_filter(asked))),
        Route("/api/movement", document(lambda session, asked: of(session).movement(asked))),
    ]


def network_of(session: Session, parameters: Parameters) -> Document:
    """The layers, the picture and the prediction."""
    picture, anatomy = session.anatomy(parameters.text("picture"))
    facts = {"id": picture.id, "name": picture.name}
    return network_document(session.network, anatomy, facts, session.pixels(picture), session.fields)


def answer_of(session: Session, parameters: Parameters) -> Document:
    """How the answer comes about; one or two classes besides the best are taken apart where asked."""
    picture, anatomy = session.anatomy(parameters.text("picture"))
    with session.running:
        found = answer(session.network.model, session.input(picture), classes=session.network.classes or ())
    return answer_document(found, anatomy, parameters.choices("classes", len(found.returned)))


def pictures_of(session: Session, parameters: Parameters) -> Document:
    """The pictures to choose from."""
    rows = [(picture.id, picture.name, pixels) for picture, pixels in session.thumbnails()]
    return pictures_document(rows)


def table_of(session: Session, parameters: Parameters) -> Document:
    """Every layer with its sizes and costs."""
    return table_document(session.summary)


def maps_of(session: Session, parameters: Parameters) -> Document:
    """The small feature maps of one layer."""
    _, anatomy = session.anatomy(parameters.text("picture"))
    return maps_document(parameters.layer(anatomy))


def inputs_of(session: Session, parameters: Parameters) -> Document:
    """A page of the channels that a filter reads."""
    _, anatomy = session.anatomy(parameters.text("picture"))
    layer = parameters.layer(anatomy)
    return input_document(layer, parameters.filter(layer), parameters.start(layer))


def filter_of(session: Session, parameters: Parameters) -> Document:
    """The chain of one filter."""
    _, anatomy = session.anatomy(parameters.text("picture"))
    layer = parameters.layer(anatomy)
    filter, start = parameters.filter(layer), parameters.start(layer)
    return filter_document(layer, filter, start, parameters.aggregation())


def cancellation_of(session: Session, parameters: Parameters) -> Document:
    """How far the channels of one filter cancel out."""
    _, anatomy = session.anatomy(parameters.text("picture"))
    layer = parameters.layer(anatomy)
    return cancellation_document(layer, parameters.filter(layer))


def combined_of(session: Session, parameters: Parameters) -> Document:
    """One filter under one aggregation."""
    _, anatomy = session.anatomy(parameters.text("picture"))
    layer = parameters.layer(anatomy)
    return combined_document(layer, parameters.filter(layer), parameters.aggregation())


def compared_of(session: Session, parameters: Parameters) -> Document:
    """One filter on one more picture."""
    picture, anatomy = session.anatomy(parameters.text("picture"))
    layer = parameters.layer(anatomy)
    facts = {"id": picture.id, "name": picture.name, "classes": session.network.classes}
    filter, aggregation = parameters.filter(layer), parameters.aggregation()
    return compared_document(anatomy, layer, filter, aggregation, session.pixels(picture), facts)


def outcome_of(session: Session, parameters: Parameters) -> Document:
    """What the network answers when a whole layer combines another way."""
    picture = parameters.text("picture")
    _, anatomy = session.anatomy(picture)
    layer = parameters.layer(anatomy)
    return session.outcome(picture, layer, parameters.aggregation() or layer.aggregation)


def projection_of(session: Session, parameters: Parameters) -> Document:
    """What comes back from a filter to the picture: from one pixel of its map, or from the strongest."""
    picture, anatomy = session.anatomy(parameters.text("picture"))
    layer = parameters.layer(anatomy)
    filter, unit = parameters.filter(layer), parameters.pixel(layer)
    method = parameters.text("method") or "deconvnet"
    return session.projection(picture.id, layer.name, filter, unit, method)


def patches_of(session: Session, parameters: Parameters) -> Document:
    """The strongest patches of a filter over the data set."""
    _, anatomy = session.anatomy(parameters.text("picture"))
    layer = parameters.layer(anatomy)
    filter, found = parameters.filter(layer), session.looking.patches(layer.name)
    with session.running:
        return patches_document(session.network, found, filter, session.looking.images.name)


def health_of(session: Session, parameters: Parameters) -> Document:
    """What a look over the network on the data set finds."""
    return health_document(session.looking.health, session.looking.images.name)
