"""The body of an upload, never more than allowed, however the request counts its bytes."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable

from starlette.requests import ClientDisconnect, Request

from convitro.explorer.problems import RequestProblem

MAX_BYTES = 20 * 2**20


async def read_upload(request: Request, max_bytes: int = MAX_BYTES) -> bytes:
    """The whole body of a picture, refused as soon as it is known to be too large.

    Raises:
        RequestProblem: 413 too large, 400 empty or broken off.
    """
    data = bytearray()
    async for chunk in read_chunks(request, max_bytes, too_large):
        data += chunk
    return bytes(data)


async def read_chunks(
    request: Request, max_bytes: int, refusal: Callable[[int], RequestProblem]
) -> AsyncIterator[bytes]:
    """The body piece by piece.

    Args:
        request: whose body it is.
        max_bytes: of all pieces together.
        refusal: what more than that is answered.

    Raises:
        RequestProblem: the refusal; 400 empty or broken off.
    """
    announced = request.headers.get("content-length", "0")
    digits = announced.isascii() and announced.isdigit()
    if digits and (len(announced) > 15 or int(announced) > max_bytes):
        raise refusal(max_bytes)
    seen = 0
    try:
        async for chunk in request.stream():
            seen += len(chunk)
            if seen > max_bytes:
                raise refusal(max_bytes)
            if chunk:
                yield chunk
    except ClientDisconnect:
        raise RequestProblem(400, "The upload broke off.", "try again") from None
    if not seen:
        raise RequestProblem(400, "The upload is empty.", "choose a file that holds something")


def too_large(max_bytes: int) -> RequestProblem:
    """What a picture above the limit is answered."""
    return RequestProblem(
        413,
        f"The picture is larger than {max_bytes // 2**20} MB.",
        "make it smaller first; a network sees only a few hundred pixels of it",
    )
