"""Bytes, texts and JSON values as damage or malice may leave them."""

import random
import re
import struct
from typing import Any

TOKEN = re.compile(rb'-?\d[\d.eE+-]*|"[^"]*"|[A-Za-z_]+|[\[\]{},:\n]')
NASTY = [
    *(b"NaN", b"nan", b"-Infinity", b"1e999", b"1e-999", b"-0", b"0", b"-1", b"1", b"0.5", b"1e30"),
    *(b"2147483648", b"9223372036854775807", b"9223372036854775808", b"-9223372036854775809"),
    *(
        b"9" * 400,
        b"9" * 5000,
        b"1" * 17 + b".5",
        b"0x10",
        b"1_000",
        b"1,5",
        b"--1",
        b"\xef\xbb\xbf",
    ),
    *(b"", b'"', b'""', b'"x"', b'"1"', b"'", b"[", b"]", b"{", b"}", b"[]", b"{}", b"[[[1]]]"),
    *(
        b"null",
        b"true",
        b"false",
        b"{}{}",
        b",",
        b":",
        b"\n",
        b"\r",
        b"\0",
        b"\xff",
        b"\xed\xa0\x80",
    ),
    *(b'{"x": 1}', b'"\\ud800"', b"[" * 500, b"[" * 100_000, b'{"a":' * 5000, b"\n" * 50),
]


def extreme(rng: random.Random, size: int, form: str) -> bytes:
    """A whole number of `form` at or near an edge; `size` is that of the file."""
    bits = 8 * struct.calcsize(form)
    edges = (
        0,
        1,
        2,
        32,
        -1,
        1 << (bits - 1),
        1 << (bits - 2),
        size,
        size // 2,
        rng.getrandbits(bits),
    )
    number = (rng.choice(edges) + rng.choice((-1, 0, 0, 0, 1))) % (1 << bits)
    return number.to_bytes(bits // 8, "little")


def mutate_bytes(
    rng: random.Random, raw: bytes, other: bytes, sites: list[tuple[int, str]]
) -> bytes:
    """One to four changes of bytes, spans or numbers; `sites` are offsets of the file's numbers."""
    data = bytearray(raw)
    for _ in range(rng.choice((1, 1, 1, 2, 3, 4))):
        size = len(data)
        if not size:
            break
        at, span = rng.randrange(size), rng.choice((1, 4, 19, 32, 95, rng.randrange(1, size + 1)))
        kind = rng.randrange(10)
        if kind < 2:
            data[at] ^= rng.randrange(1, 256)
        elif kind < 6:
            place, form = (
                rng.choice(sites) if sites and rng.random() < 0.8 else (at, rng.choice("BHIQ"))
            )
            data[place : place + struct.calcsize(form)] = extreme(rng, size, form)
        elif kind == 6:
            del data[rng.choice((at, size - 1)) :]
        elif kind == 7:
            del data[at : at + span]
        elif kind == 8:
            data[at:at] = data[at : at + span]
        else:
            start = rng.randrange(len(other))
            data[at : at + rng.choice((0, span))] = other[start : start + span]
    return bytes(data)


def mutate_text(rng: random.Random, raw: bytes) -> bytes:
    """One to four tokens of JSON or CSV replaced, dropped, doubled or swapped."""
    tokens = list(TOKEN.finditer(raw))
    if not tokens:
        return rng.choice(NASTY)
    chosen = sorted(
        rng.sample(tokens, min(len(tokens), rng.choice((1, 1, 2, 3, 4)))), key=lambda t: t.start()
    )
    out, end = [], 0
    for token in chosen:
        new = rng.choice(
            (rng.choice(NASTY), rng.choice(NASTY), rng.choice(tokens)[0], token[0] * 2)
        )
        out += [raw[end : token.start()], new]
        end = token.end()
    return b"".join([*out, raw[end:]])


def any_json(rng: random.Random, keys: tuple[str, ...], depth: int = 0) -> Any:
    """A value of the shapes and keys that a parser may look for."""
    kind = rng.randrange(10 if depth < 6 else 6)
    if kind > 7:
        return [any_json(rng, keys, depth + 1) for _ in range(rng.randrange(4))]
    if kind > 5:
        return {rng.choice(keys): any_json(rng, keys, depth + 1) for _ in range(rng.randrange(5))}
    numbers = (0, -1, 3, 1 << 63, 1 << 64, -1.5, 1e308, float("nan"), float("inf"), 10**30)
    return rng.choice((rng.choice(numbers), rng.choice(keys), None, True, rng.uniform(-9, 9), ""))
