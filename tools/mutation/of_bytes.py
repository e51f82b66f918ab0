"""Mutations that know nothing of what the bytes mean."""

from __future__ import annotations

import random


def flip_bits(data: bytes, rng: random.Random, _other: bytes) -> bytes:
    changed = bytearray(data)
    for _ in range(rng.choice((1, 1, 2, 8, 64))):
        changed[rng.randrange(len(data))] ^= 1 << rng.randrange(8)
    return bytes(changed)


def truncate(data: bytes, rng: random.Random, _other: bytes) -> bytes:
    return data[: rng.randrange(len(data))]


def cut_out(data: bytes, rng: random.Random, _other: bytes) -> bytes:
    start = rng.randrange(len(data))
    return data[:start] + data[start + rng.randrange(1, 512) :]


def swap_blocks(data: bytes, rng: random.Random, _other: bytes) -> bytes:
    size = min(rng.choice((4, 16, 64, 512)), len(data) // 2)
    first, second = sorted((rng.randrange(len(data) - size), rng.randrange(len(data) - size)))
    changed = bytearray(data)
    changed[first : first + size], changed[second : second + size] = (
        data[second : second + size],
        data[first : first + size],
    )
    return bytes(changed[: len(data)])


def interesting_number(rng: random.Random, width: int, near: int) -> int:
    """A number that is at an edge of what a field of ``width`` bytes holds, or next to ``near``."""
    edges = (0, 1, 0x7F, 0x80, 0xFF, 0xFFFF, 1 << 31, (1 << 32) - 1, 1 << 40, (1 << 63) - 1, (1 << 64) - 1, near)
    return (rng.choice(edges) + rng.choice((-1, 0, 1))) % (1 << (8 * width))


def put_number(data: bytes, place: int, width: int, rng: random.Random) -> bytes:
    place = max(0, min(place, len(data) - width))
    number = interesting_number(rng, width, len(data))
    return data[:place] + number.to_bytes(width, rng.choice(("little", "little", "big"))) + data[place + width :]


def set_length(data: bytes, rng: random.Random, _other: bytes) -> bytes:
    """Write a number that a length or an offset might be over some bytes."""
    # Structure stands at the beginning of most containers, and at the end of archives.
    places = (rng.randrange(len(data)), rng.randrange(min(4096, len(data))), len(data) - rng.randrange(1, 400))
    return put_number(data, rng.choice(places), rng.choice((1, 2, 4, 8)), rng)


def repeat_block(data: bytes, rng: random.Random, _other: bytes) -> bytes:
    start = rng.randrange(len(data))
    block = data[start : start + rng.choice((8, 64, 1024))]
    return data[:start] + block * rng.choice((2, 3, 100)) + data[start:]


def splice(data: bytes, rng: random.Random, other: bytes) -> bytes:
    """The beginning of one file and the end of another."""
    return data[: rng.randrange(len(data))] + other[rng.randrange(len(other)) :]


def overlay(data: bytes, rng: random.Random, other: bytes) -> bytes:
    """A piece of another file in the place of this one's."""
    start, size = rng.randrange(len(data)), rng.choice((16, 256, 2048))
    source = rng.randrange(len(other))
    return data[:start] + other[source : source + size] + data[start + size :]


def zeros(data: bytes, rng: random.Random, _other: bytes) -> bytes:
    start, size = rng.randrange(len(data)), rng.choice((8, 512, 4096))
    return data[:start] + bytes(min(size, len(data) - start)) + data[start + size :]


BYTE_MUTATIONS = (
    flip_bits, truncate, cut_out, swap_blocks, set_length, set_length, repeat_block, splice, overlay, zeros,
)  # fmt: skip
