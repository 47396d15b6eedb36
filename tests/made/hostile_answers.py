"""Everything that a hostile server may answer to a download, and to one that is continued."""

from __future__ import annotations

import gzip
from collections.abc import Iterator

from download_server import RESET, Asked, Behaviour, archive, chunked, head, honest

RIGHT, OTHER = archive(1), archive(2)
SIZE = len(RIGHT)
PAGE = b"<html><body>Log in to the Wi-Fi</body></html>".ljust(SIZE, b" ")
BROKEN = RIGHT[: SIZE // 2] + bytes([RIGHT[SIZE // 2] ^ 1]) + RIGHT[SIZE // 2 + 1 :]
HALF = SIZE // 2


def says(*pieces: bytes | float | object) -> Behaviour:
    """Return the behaviour of a server that always answers the same."""
    return lambda asked: iter(pieces)


def length(count: int | str) -> str:
    return f"Content-Length: {count}"


def drip(data: bytes, pause: float, step: int = 1) -> Iterator[bytes | float]:
    for place in range(0, len(data), step):
        yield data[place : place + step]
        yield pause


def endless(block: bytes) -> Iterator[bytes]:
    for _ in range(100_000):
        yield block


def to(place: str, status: int = 302) -> Behaviour:
    """Return the behaviour of a server that leads to a place; %s is this request's number."""
    return lambda asked: iter([head(status, f"Location: {place.replace('%s', str(asked.number))}", length(0))])


OK = head(200, length(SIZE))
CHUNKS = head(200, "Transfer-Encoding: chunked")

# Answers to any request. None of them may leave a wrong or partial file under the final name.
ANSWERS: dict[str, Behaviour] = {
    "nothing": says(),
    "reset at once": says(RESET),
    "reset in the head": says(b"HTTP/1.1 200", RESET),
    "reset in the body": says(OK, RIGHT[:HALF], RESET),
    "cut in the head": says(b"HTTP/1.1 200 OK\r\nContent-Le"),
    "cut after the head": says(OK),
    "cut in the body": says(OK, RIGHT[:HALF]),
    "cut one byte before the end": says(OK, RIGHT[:-1]),
    "cut without a length": says(head(200), RIGHT[:HALF]),
    "cut without a length in HTTP 1.0": says(head("HTTP/1.0 200 OK"), RIGHT[:HALF]),
    "cut without a length, one byte before the end": says(head(200), RIGHT[:-1]),
    "a length that is too short": says(head(200, length(HALF)), RIGHT),
    "a length that is too long": says(head(200, length(SIZE + 9)), RIGHT),
    "a length of nothing": says(head(200, length(0)), RIGHT),
    "a length below nothing": says(head(200, length(-5)), RIGHT[:HALF]),
    "a length in words": says(head(200, length("many")), RIGHT[:HALF]),
    "a length that is absurd": says(head(200, length(10**17)), RIGHT),
    "a length beyond any number": says(head(200, length("9" * 400)), RIGHT),
    "a length above the limit": says(head(200, length(5 << 20)), RIGHT),
    "two lengths": says(head(200, length(SIZE), length(HALF)), RIGHT),
    "two lengths in one line": says(head(200, length(f"{HALF}, {SIZE}")), RIGHT[:HALF]),
    "a length and chunks": says(head(200, length(HALF), "Transfer-Encoding: chunked"), chunked(RIGHT)),
    "chunks that break off": says(CHUNKS, chunked(RIGHT[:HALF])),
    "chunks without the last": says(CHUNKS, chunked(RIGHT[:-1])),
    "a chunk that is cut": says(CHUNKS, chunked(RIGHT)[: HALF + 3]),
    "chunks of no number": says(CHUNKS, b"zz\r\n" + RIGHT),
    "chunks below nothing": says(CHUNKS, b"-5\r\n" + RIGHT),
    "chunks beyond any number": says(CHUNKS, b"f" * 60 + b"\r\n" + RIGHT),
    "a chunk line without end": lambda asked: iter([CHUNKS, b"1;" + b"a" * 200_000]),
    "trailers without end": lambda asked: iter([CHUNKS, chunked(OTHER), b"0\r\n", *endless(b"X: y\r\n" * 1000)]),
    "packed in gzip": says(
        head(200, "Content-Encoding: gzip", length(len(gzip.compress(RIGHT)))), gzip.compress(RIGHT)
    ),
    "packed in br": says(head(200, "Content-Encoding: br", length(SIZE)), RIGHT),
    "packed in two ways": says(head(200, "Content-Encoding: gzip, gzip", length(SIZE)), RIGHT),
    "packed for the way": says(
        head(200, "Transfer-Encoding: gzip, chunked"), chunked(gzip.compress(RIGHT)), b"0\r\n\r\n"
    ),
    "a page in place of the file": says(OK, PAGE),
    "a short page": says(head(200, length(6)), b"<html>"),
    "a page in chunks": says(CHUNKS, chunked(PAGE), b"0\r\n\r\n"),
    "a damaged file": says(OK, BROKEN),
    "a file with its end cut off": says(head(200, length(SIZE - 30)), RIGHT[:-30]),
    "a file with something behind it": says(head(200, length(SIZE + 40)), RIGHT + b"x" * 40),
    "a file of zeros": says(OK, bytes(SIZE)),
    "the second half in place of the file": says(head(200, length(SIZE - HALF)), RIGHT[HALF:]),
    "a part that nobody asked for": says(head(206, f"Content-Range: bytes 0-{SIZE - 1}/{SIZE}", length(SIZE)), OTHER),
    **{f"status {code}": says(head(code, length(SIZE)), OTHER) for code in (201, 202, 203, 300, 304, 305, 306)},
    **{f"status {code}": says(head(code, length(4)), b"sorry") for code in (400, 401, 403, 404, 407, 410, 418, 429)},
    **{f"status {code}": says(head(code, length(4)), b"sorry") for code in (451, 500, 502, 503, 504, 511, 599)},
    "status 204": says(head(204)),
    "status 999": says(head(999, length(SIZE)), OTHER),
    "status in words": says(head("HTTP/1.1 fine OK", length(SIZE)), OTHER),
    "100 for ever": lambda asked: endless(head(100) * 1000),
    "another protocol": says(b"SSH-2.0-OpenSSH_9.6\r\n" + RIGHT),
    "the bare file": says(RIGHT),
    "a line of a megabyte in the head": says(head(200, "X: " + "y" * (1 << 20), length(SIZE)), OTHER),
    "a thousand lines in the head": says(head(200, *(f"X-{n}: y" for n in range(1000)), length(SIZE)), OTHER),
    "a head without end": lambda asked: iter([b"HTTP/1.1 200 OK\r\n", *endless(b"X: y\r\n" * 1000)]),
    "a reason with ESC": says(b"HTTP/1.1 500 \x1b[2J\x1b[31mgone\r\nContent-Length: 0\r\n\r\n"),
    "a head byte by byte": lambda asked: drip(head(200, length(SIZE)) + RIGHT, 0.05),
    "a body byte by byte": lambda asked: iter([OK, *drip(RIGHT[:60], 0.02)]),
    "silence after the head": says(OK, 1.0),
    "silence in the body": says(OK, RIGHT[:HALF], 1.0),
    "silence at once": says(1.0),
    "a body without end": lambda asked: iter([head(200), *endless(b"\0" * 65536)]),
    "chunks without end": lambda asked: iter([CHUNKS, *endless(chunked(bytes(65536), 65536))]),
    "tiny chunks without end": lambda asked: iter([CHUNKS, *endless(chunked(bytes(4096), 1))]),
    **{f"a circle of {code}": to("/model.pth", code) for code in (301, 302, 303, 307, 308)},
    "a chain without end": to("/next-%s"),
    "led to nowhere": to(""),
    "led to ftp": to("ftp://127.0.0.1/model.pth"),
    "led to a file": to("file:///etc/passwd"),
    "led to data": to("data:application/zip;base64,UEsDBA=="),
    "led to gopher": to("gopher://127.0.0.1:70/x"),
    "led to javascript": to("javascript:alert(1)"),
    "led to plain http elsewhere": to("http://192.0.2.1/model.pth"),
    "led to a name by plain http": to("http://files.example.org/model.pth"),
    "led to a user of a host": to("http://user:secret@127.0.0.1/model.pth"),
    "led to a bad port": to("http://127.0.0.1:99999/model.pth"),
    "led to a closed port": to("http://127.0.0.1:1/model.pth"),
    "led to a broken name": to("https://[::1/model.pth"),
    "led to a line break": to("http://127.0.0.1/%0d%0aX:1\x00"),
    "led away with a body without end": lambda asked: iter([head(302, "Location: /model.pth"), *endless(bytes(65536))]),
    "led to another status": lambda asked: iter(
        [head(302, "Location: /b", length(0)) if not asked.number else head(500)]
    ),
}


def part(
    start: int | str, end: int | str, total: int | str, data: bytes, *further: str, status: int = 206
) -> Behaviour:
    """Return the behaviour of a server that answers any wish for a part with this one, and else honestly."""
    lines = (f"Content-Range: bytes {start}-{end}/{total}", length(len(data)), *further)

    def answer(asked: Asked) -> Iterator[bytes | float | object]:
        if asked.start:
            return iter([head(status, *lines), data])
        return honest(RIGHT)(asked)

    return answer


def whole_or(pieces: list[bytes]) -> Behaviour:
    return lambda asked: iter(pieces) if asked.start else honest(RIGHT)(asked)


TAG, LAST, REST = 'ETag: "one"', SIZE - 1, RIGHT[HALF:]

# Answers to the wish for the rest of a file of which the first half is there.
CONTINUED: dict[str, Behaviour] = {
    "honest": honest(RIGHT),
    "range ignored": lambda asked: iter([OK, RIGHT]),
    "range ignored, another version": lambda asked: iter([head(200, length(SIZE), 'ETag: "two"'), RIGHT]),
    "range ignored and cut": lambda asked: iter([OK, RIGHT[: HALF - 9]]),
    "another version, honestly": honest(RIGHT, '"two"'),
    "another version's rest": part(HALF, LAST, SIZE, OTHER[HALF:], 'ETag: "two"'),
    "another version's rest under the old tag": part(HALF, LAST, SIZE, OTHER[HALF:], TAG),
    "another version's rest without a tag": part(HALF, LAST, SIZE, OTHER[HALF:]),
    "the rest of a page": part(HALF, LAST, SIZE, PAGE[HALF:], TAG),
    "a part from the beginning": part(0, LAST, SIZE, RIGHT, TAG),
    "a part from elsewhere": part(HALF + 1, LAST, SIZE, RIGHT[HALF + 1 :], TAG),
    "a part under a wrong place": part(HALF, LAST, SIZE, RIGHT[HALF + 1 :] + b"x", TAG),
    "a part to elsewhere": part(HALF, LAST - 4, SIZE, RIGHT[HALF:-4], TAG),
    "a part of a longer file": part(HALF, LAST + 9, SIZE + 9, REST + b"123456789", TAG),
    "a part of a shorter file": part(HALF, LAST - 9, SIZE - 9, RIGHT[HALF:-9], TAG),
    "a part of an unknown whole": part(HALF, LAST, "*", REST, TAG),
    "a part without end": part(HALF, "9" * 30, "9" * 31, REST, TAG),
    "a part with no place": whole_or([head(206, length(len(REST)), TAG), REST]),
    "a part with two places": whole_or(
        [head(206, f"Content-Range: bytes {HALF}-{LAST}/{SIZE}", f"Content-Range: bytes 0-{LAST}/{SIZE}", TAG), REST]
    ),
    "parts of parts": whole_or(
        [head(206, "Content-Type: multipart/byteranges; boundary=x", length(9)), b"--x\r\n\r\n--"]
    ),
    "a part in other units": whole_or([head(206, f"Content-Range: lines {HALF}-{LAST}/{SIZE}", length(9)), REST[:9]]),
    "a part that is cut": part(HALF, LAST, SIZE, REST[:-7], TAG, length(len(REST))),
    "a part that is packed": part(HALF, LAST, SIZE, gzip.compress(REST), "Content-Encoding: gzip"),
    "a part with a wrong length": whole_or(
        [head(206, f"Content-Range: bytes {HALF}-{LAST}/{SIZE}", length(len(REST) - 2), TAG), REST]
    ),
    "416 that says whole": whole_or([head(416, f"Content-Range: bytes */{HALF}", length(0))]),
    "416 that says less": whole_or([head(416, "Content-Range: bytes */7", length(0))]),
    "416 that says nothing": whole_or([head(416, length(0))]),
    "416 to everything": says(head(416, f"Content-Range: bytes */{HALF}", length(0))),
    "404 now": says(head(404, length(0))),
    "500 to parts": whole_or([head(500, length(0))]),
    "204 to parts": whole_or([head(204)]),
    "led elsewhere for parts": whole_or([head(302, "Location: http://192.0.2.1/", length(0))]),
}
