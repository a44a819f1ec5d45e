"""Provenance of images: C2PA manifest, EXIF, PNG text and XMP, as written by the provider or by anyone else.

Researchers see it. Raters never do, since most of it names the provider. An image is never rejected because of it:
unreadable parts are listed under ``errors``.
"""

import io
import json
import re
import struct
import zlib
from collections.abc import Callable, Iterator
from typing import Any, Final

from PIL import ExifTags, Image

from generators.images.decoding import detect_format, open_image

MAX_ENTRIES: Final = 50
MAX_TEXT: Final = 2_000
MAX_XMP_BYTES: Final = 1 << 20

EXIF_TAGS: Final = (
    ExifTags.Base.ImageDescription,
    ExifTags.Base.Make,
    ExifTags.Base.Model,
    ExifTags.Base.Software,
    ExifTags.Base.DateTime,
    ExifTags.Base.Artist,
    ExifTags.Base.Copyright,
)
PNG_XMP: Final = "XML:com.adobe.xmp"
SOURCE_TYPE: Final = re.compile(r"digitalsourcetype/(\w{1,100})", re.IGNORECASE)
CREATOR_TOOL: Final = re.compile(r"CreatorTool\W{1,4}([^<\"']{1,200})")

# Patterns by which programs and providers are recognised, matched against "place: text".
SOFTWARE: Final[dict[str, re.Pattern[str]]] = {
    name: re.compile(pattern, re.IGNORECASE | re.MULTILINE)
    for name, pattern in {
        "ComfyUI": r'^png workflow: *\{|^png prompt: .*"class_type"|\bComfyUI\b',
        "Stable Diffusion web UI": r"^(png parameters|exif UserComment): (?s:.*)\bSteps: \d+, Sampler: ",
        "InvokeAI": r"^png (invokeai|sd-metadata|dream)|\bInvokeAI\b",
        "Fooocus": r"^png fooocus_scheme: |\bFooocus\b",
        "NovelAI": r"\bNovelAI\b",
        "Midjourney": r"\bMidjourney\b|^(png|exif) (image)?description: .*\bJob ID: [0-9a-f-]{36}",
        "DALL·E": r"\bDALL[·-]?E\b",
        "OpenAI": r"\bOpenAI\b|\bChatGPT\b|\bGPT-4o\b",
        "Adobe Firefly": r"\bAdobe[ _]Firefly\b",
        "Microsoft": r"\bMicrosoft[ _]Responsible[ _]AI\b|\bBing Image Creator\b",
        "Google": r"\bGoogle C2PA\b|\bMade with Google AI\b|\bImagen\b",
        "Black Forest Labs": r"\bBlack Forest Labs\b",
        "Stability AI": r"\bStability[ _]?AI\b",
    }.items()
}


def read_provenance(data: bytes) -> dict[str, Any]:
    """Provenance found in an encoded image, as values that PostgreSQL's JSON can hold. Never raises.

    - ``c2pa``: None without a manifest; else its ``state`` ("Invalid": changed after signing; "Valid": unchanged, but
      the signer is not checked against a trust list), ``signer``, ``claim_generator`` and ``problems``
    - ``exif``, ``png_text``: texts, cut at 2,000 characters; at most 50 entries of ``png_text``
    - ``xmp``: whether the image has XMP
    - ``digital_source_types``: IPTC terms for the origin, from XMP and C2PA: "trainedAlgorithmicMedia", ...
    - ``made_with``: programs and providers recognised by their traces
    - ``synthid``: always "unknown", since only Google can detect this watermark
    - ``errors``: unreadable parts, each with the reason
    """
    errors: list[str] = []

    def attempt(what: str, read: Callable[[], Any], otherwise: Any) -> Any:
        try:
            return read()
        except Exception as error:
            errors.append(f"{what}: {type(error).__name__}: {error}"[:MAX_TEXT])
            return otherwise

    carried = attempt("image", lambda: _find_carried(data), {})
    exif = attempt("exif", lambda: _read_exif(carried.get("exif", b"")), {})
    xmp = carried.get("xmp", b"")[:MAX_XMP_BYTES].decode(errors="replace")
    c2pa = attempt("c2pa", lambda: _read_c2pa(data), None)
    png_text = carried.get("png_text", [])
    source_types, traces = SOURCE_TYPE.findall(xmp), [f"xmp CreatorTool: {tool}" for tool in CREATOR_TOOL.findall(xmp)]
    traces += [f"png {entry['keyword']}: {entry['text']}" for entry in png_text]
    traces += [f"exif {tag}: {text}" for tag, text in exif.items()]
    if isinstance(c2pa, dict):
        source_types += c2pa.pop("digital_source_types")
        traces += [f"c2pa: {c2pa['claim_generator']}", *(f"c2pa: {agent}" for agent in c2pa.pop("agents"))]
    found: dict[str, Any] = _clean(
        {
            "c2pa": c2pa,
            "exif": exif,
            "png_text": png_text,
            "xmp": bool(xmp),
            "digital_source_types": sorted(set(source_types))[:MAX_ENTRIES],
            "made_with": [name for name, known in SOFTWARE.items() if any(known.search(trace) for trace in traces)],
            "synthid": "unknown",
            "errors": errors,
        }
    )
    return found


def _find_carried(data: bytes) -> dict[str, Any]:
    """The bytes of ``exif`` and ``xmp``, and the entries of ``png_text``, if the image has them."""
    if detect_format(data).name == "PNG":
        return _find_in_png(data)
    # For the other formats, Pillow reads only the header.
    info = open_image(data).info
    return {name: info[name] for name in ("exif", "xmp") if name in info}


def _find_in_png(data: bytes) -> dict[str, Any]:
    """Metadata of a PNG, without Pillow: it would decode all pixels, and rejects large texts."""
    found: dict[str, Any] = {"png_text": []}
    for kind, body in _walk_png(data):
        if kind == b"eXIf":
            found["exif"] = body
        elif kind in {b"tEXt", b"zTXt", b"iTXt"}:
            keyword, _, rest = body.partition(b"\0")
            name = keyword[:79].decode("latin-1")  # the limit of the PNG specification
            if name == PNG_XMP:
                found["xmp"] = _read_text(kind, rest, MAX_XMP_BYTES).encode()
            elif len(found["png_text"]) < MAX_ENTRIES:
                found["png_text"].append({"keyword": name, "text": _read_text(kind, rest, MAX_TEXT)})
    return found


def _walk_png(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Yield the type and body of each chunk, except pixels."""
    position = 8
    while position + 12 <= len(data):
        length, kind = struct.unpack_from(">I4s", data, position)
        if kind == b"IEND":
            return
        if kind != b"IDAT":
            yield kind, data[position + 8 : position + 8 + length]
        position += 12 + length


def _read_text(kind: bytes, rest: bytes, limit: int) -> str:
    """At most ``limit`` characters of the text chunk body after its keyword. Inflates no more than it returns."""
    if kind == b"tEXt":
        return rest[:limit].decode("latin-1")
    if kind == b"zTXt":
        return _inflate(rest[1:], limit).decode("latin-1")
    compressed = rest[:1] == b"\1"
    _language, _, rest = rest[2:].partition(b"\0")
    _translated, _, text = rest.partition(b"\0")
    # A character has up to four bytes in UTF-8.
    raw = _inflate(text, 4 * limit) if compressed else text[: 4 * limit]
    return raw.decode(errors="replace")[:limit]


def _inflate(data: bytes, limit: int) -> bytes:
    try:
        return zlib.decompressobj().decompress(data, limit)
    except zlib.error as error:
        return f"not readable: {error}".encode()[:limit]


def _read_exif(data: bytes) -> dict[str, str]:
    if not data:
        return {}
    exif = Image.Exif()
    exif.load(data)
    texts = {tag.name: _decode_exif(exif[tag]) for tag in EXIF_TAGS if tag in exif}
    details = exif.get_ifd(ExifTags.IFD.Exif)
    if (comment := details.get(ExifTags.Base.UserComment)) is not None:
        texts["UserComment"] = _decode_exif(comment)
    return texts


def _decode_exif(value: Any) -> str:
    """A text tag, or a comment whose first eight bytes name its character set."""
    if isinstance(value, bytes):
        charset, text = value[:8], value[8 : 8 + 2 * MAX_TEXT]
        if charset == b"UNICODE\0":
            # The standard leaves the byte order open. Guess it from the zero bytes of Latin letters.
            little = text[1::2].count(0) > text[0::2].count(0)
            value = text.decode("utf-16-le" if little else "utf-16-be", errors="replace")
        else:
            value = (text if charset == b"ASCII\0\0\0" else value).decode(errors="replace")
    return str(value)[:MAX_TEXT]


def _read_c2pa(data: bytes) -> dict[str, Any] | str | None:
    try:
        import c2pa
    except ImportError:
        return "not read: c2pa-python is not installed"
    # A manifest may name a URL to fetch. Never follow it: an image could make a worker call any address.
    settings = {"verify": {"remote_manifest_fetch": False, "ocsp_fetch": False}}
    with c2pa.Context.from_dict(settings) as context:
        reader = c2pa.Reader.try_create(detect_format(data).media_type, io.BytesIO(data), context=context)
        if reader is None:
            return None
        with reader:
            return _describe_manifests(json.loads(reader.json()))


def _describe_manifests(store: dict[str, Any]) -> dict[str, Any]:
    manifests = store.get("manifests", {})
    active = manifests.get(store.get("active_manifest"), {})
    signature = active.get("signature_info", {})
    # Include the manifests of source images, since an editor signs last.
    actions = [action for manifest in manifests.values() for action in _list_actions(manifest)]
    generators = [_name_software(info) for info in active.get("claim_generator_info", [])]
    agents = {_name_software(action["softwareAgent"]) for action in actions if action.get("softwareAgent")}
    return {
        "state": store.get("validation_state", "unknown"),
        "signer": {part: str(signature.get(part) or "")[:200] for part in ("issuer", "common_name", "time")},
        "claim_generator": ", ".join(generators)[:200] or str(active.get("claim_generator", ""))[:200],
        "problems": [str(status.get("code"))[:200] for status in store.get("validation_status", [])[:MAX_ENTRIES]],
        "agents": sorted(agents)[:MAX_ENTRIES],
        "digital_source_types": [
            found for action in actions for found in SOURCE_TYPE.findall(str(action.get("digitalSourceType", "")))
        ],
    }


def _list_actions(manifest: dict[str, Any]) -> list[dict[str, Any]]:
    return [
        action
        for assertion in manifest.get("assertions", [])
        if str(assertion.get("label", "")).startswith("c2pa.actions")
        for action in assertion["data"].get("actions", [])
    ]


def _name_software(software: Any) -> str:
    if isinstance(software, dict):
        software = " ".join(str(software[part]) for part in ("name", "version") if software.get(part))
    return str(software)[:200]


def _clean(value: Any) -> Any:
    """Replace what PostgreSQL's JSON cannot hold: NUL and lone surrogates."""
    if isinstance(value, str):
        return value.replace("\0", "").encode(errors="replace").decode()
    if isinstance(value, dict):
        return {key: _clean(inner) for key, inner in value.items()}
    return [_clean(inner) for inner in value] if isinstance(value, list) else value
