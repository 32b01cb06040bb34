"""Random changes to the bytes of a file of any kind, as bad luck or a hostile author makes them."""

from __future__ import annotations

import random

JUNK = (
    b"\x00", b"\xff\xfe", b"\xed\xa0\x80", b"\t", b"\r", b"\n", b"\n\n", b"{", b"}", b"[", b"]", b",", b":", b"=", b'"',
    b"[" * 3000, b'{"a":' * 500, b"9" * 5000, b"-1", b"0", b"1e999", b"NaN", b"Infinity", b"null", b"true", b"1e-320",
    b"18446744073709551616", b"\x1b[2J", b"../../etc/passwd", b"!!python/object:os.system ", b"&a [*a]", b"%", b"#",
    "ü€𝄞".encode(), b"x" * 20000,
)  # fmt: skip


def mutated(data: bytes, rng: random.Random) -> bytes:
    """The bytes after one to four changes: bits, junk, lost, doubled or exchanged parts, numbers, a cut-off end."""
    changed = bytearray(data)
    for _ in range(rng.randint(1, 4)):
        at = rng.randrange(len(changed) + 1)
        end = min(len(changed), at + rng.choice((1, 8, 64, 1024)))
        match rng.randrange(7):
            case 0 if changed:
                changed[at % len(changed)] ^= 1 << rng.randrange(8)
            case 1:
                changed[at:at] = rng.choice(JUNK)
            case 2:
                del changed[at:end]
            case 3:
                changed[at:at] = changed[at:end]
            case 4:
                changed[at:end] = rng.choice(JUNK)
            case 5:
                number(changed, at, rng)
            case _ if rng.random() < 0.3:
                del changed[at:]
    return bytes(changed)


def number(changed: bytearray, at: int, rng: random.Random) -> None:
    """Replace the next decimal number, if there is one."""
    begin = next((index for index in range(at, len(changed)) if 48 <= changed[index] < 58), None)
    if begin is None:
        return
    end = next((index for index in range(begin, len(changed)) if not 48 <= changed[index] < 58), len(changed))
    changed[begin:end] = rng.choice((b"0", b"-1", b"1000000000000", b"9" * 400, b"0.5", b"1e308", b'"text"', b"null"))
