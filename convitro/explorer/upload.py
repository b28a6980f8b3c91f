"""The body of an upload: raw bytes of a picture, never more than allowed, however the request counts them."""

from __future__ import annotations

from starlette.requests import ClientDisconnect, Request

from convitro.explorer.problems import RequestProblem

MAX_BYTES = 20 * 2**20


async def read_upload(request: Request, max_bytes: int = MAX_BYTES) -> bytes:
    """The whole body, refused as soon as it is known to be too large.

    Raises:
        RequestProblem: 413 too large, 400 empty or broken off.
    """
    announced = request.headers.get("content-length", "0")
    digits = announced.isascii() and announced.isdigit()
    if digits and (len(announced) > 15 or int(announced) > max_bytes):
        raise too_large(max_bytes)
    data = bytearray()
    try:
        async for chunk in request.stream():
            data += chunk
            if len(data) > max_bytes:
                raise too_large(max_bytes)
    except ClientDisconnect:
        raise RequestProblem(400, "The upload broke off.", "try again") from None
    if not data:
        raise RequestProblem(400, "The upload is empty.", "choose a PNG, JPEG or WebP file")
    return bytes(data)


def too_large(max_bytes: int) -> RequestProblem:
    """What an upload above the limit is answered."""
    return RequestProblem(
        413,
        f"The picture is larger than {max_bytes // 2**20} MB.",
        "make it smaller first; a network sees only a few hundred pixels of it",
    )
