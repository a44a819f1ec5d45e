"""ICC profiles for tests, made here: of RGB with other primaries, of grey with another gamma, and of CMYK."""

import struct
from collections.abc import Mapping

from PIL import ImageCms

SRGB = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
D50 = (0.9642, 1.0, 0.8249)
# Primaries as XYZ of D50, red, green, blue.
PRIMARIES = {
    "sRGB": ((0.43607, 0.22249, 0.01392), (0.38515, 0.71687, 0.09708), (0.14307, 0.06061, 0.71410)),
    "Display P3": ((0.51512, 0.24120, -0.00105), (0.29198, 0.69225, 0.04189), (0.15710, 0.06657, 0.78407)),
    "Adobe RGB": ((0.60974, 0.31111, 0.01947), (0.20528, 0.62567, 0.06087), (0.14919, 0.06322, 0.74457)),
    "ProPhoto RGB": ((0.79767, 0.28804, 0.00000), (0.13519, 0.71188, 0.00000), (0.03132, 0.00009, 0.82491)),
}
PRIMARIES["red and green exchanged"] = tuple(PRIMARIES["sRGB"][n] for n in (1, 0, 2))


def make_profile(kind: bytes, space: bytes, pcs: bytes, tags: Mapping[bytes, bytes]) -> bytes:
    """A profile of version 2 with these tags."""
    table, body = struct.pack(">I", len(tags)), b""
    start = 128 + 4 + 12 * len(tags)
    for name, content in tags.items():
        table += struct.pack(">4sII", name, start + len(body), len(content))
        body += content + bytes(-len(content) % 4)
    header = struct.pack(
        ">I4sI4s4s4s12s4s4sIII8sI3i",
        *(start + len(body), b"lcms", 0x02100000, kind, space, pcs, bytes(12), b"acsp", bytes(4), 0, 0, 0, bytes(8), 0),
        *(round(65536 * value) for value in D50),
    )
    return header + bytes(128 - len(header)) + table + body


def xyz(values: tuple[float, ...]) -> bytes:
    return struct.pack(">4s4x3i", b"XYZ ", *(round(65536 * value) for value in values))


def curve(gamma: float) -> bytes:
    return struct.pack(">4s4xIH", b"curv", 1, round(256 * gamma))


def name_profile(name: str) -> bytes:
    ascii_name = name.encode() + b"\0"
    return struct.pack(">4s4xI", b"desc", len(ascii_name)) + ascii_name + bytes(78)


def make_rgb_profile(name: str, gamma: float | None = None) -> bytes:
    """The profile with these PRIMARIES, and the curve of sRGB or of a power."""
    if gamma is None:
        start, size = next(
            struct.unpack(">II", SRGB[place + 4 : place + 12])
            for place in range(132, 300, 12)
            if SRGB[place : place + 4] == b"rTRC"
        )
        tone = SRGB[start : start + size]
    else:
        tone = curve(gamma)
    colors = dict(zip((b"rXYZ", b"gXYZ", b"bXYZ"), map(xyz, PRIMARIES[name]), strict=True))
    tones = dict.fromkeys((b"rTRC", b"gTRC", b"bTRC"), tone)
    tags = {b"desc": name_profile(name), b"cprt": name_profile(name), b"wtpt": xyz(D50), **colors, **tones}
    return make_profile(b"mntr", b"RGB ", b"XYZ ", tags)


def make_grey_profile(gamma: float) -> bytes:
    tags = {b"desc": name_profile("grey"), b"cprt": name_profile("grey"), b"wtpt": xyz(D50), b"kTRC": curve(gamma)}
    return make_profile(b"mntr", b"GRAY", b"XYZ ", tags)


def make_cmyk_profile() -> bytes:
    """A press whose cyan ink prints as red (Lab 54, 81, 70), and whose magenta and yellow inks do not print."""
    red, white, black = (138, 209, 198), (255, 128, 128), (0, 128, 128)
    ramp = bytes(range(256))
    table = b"".join(bytes(black if corner & 0b0001 else red if corner & 0b1000 else white) for corner in range(16))
    identity = struct.pack(">9i", 65536, 0, 0, 0, 65536, 0, 0, 0, 65536)
    lut = struct.pack(">4s4x4B", b"mft1", 4, 3, 2, 0) + identity + 4 * ramp + table + 3 * ramp
    tags = {b"desc": name_profile("press"), b"cprt": name_profile("press"), b"wtpt": xyz(D50), b"A2B0": lut}
    return make_profile(b"prtr", b"CMYK", b"Lab ", tags)
