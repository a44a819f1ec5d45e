"""Provenance: it is recorded as found, nothing is fetched, and no content of an image makes reading fail."""

import io
import json
import struct
import sys
import tracemalloc
import zlib
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import c2pa
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID
from hypothesis import given
from hypothesis import strategies as st
from PIL import ExifTags, Image, PngImagePlugin

from generators.images.provenance import MAX_ENTRIES, MAX_TEXT, read_provenance
from tests.generators.images.test_decoding import FORMATS, chunk, draw, encode

AI_MADE = "http://cv.iptc.org/newscodes/digitalsourcetype/trainedAlgorithmicMedia"
XMP = f'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="r"><rdf:Description xmp:CreatorTool="Adobe Firefly" \
Iptc4xmpExt:DigitalSourceType="{AI_MADE}"/></rdf:RDF></x:xmpmeta>'
NOTHING = {
    "c2pa": None,
    "exif": {},
    "png_text": [],
    "xmp": False,
    "digital_source_types": [],
    "made_with": [],
    "synthid": "unknown",
    "errors": [],
}


def certify(subject: str, key: ec.EllipticCurvePrivateKey, issuer: str, issuer_key: ec.EllipticCurvePrivateKey) -> str:
    """A certificate for a C2PA signer, or for the authority that issues it."""
    authority, now = subject == issuer, datetime.now(UTC)

    def name(common: str) -> x509.Name:
        organization = x509.NameAttribute(NameOID.ORGANIZATION_NAME, "Provider of Tests")
        return x509.Name([organization, x509.NameAttribute(NameOID.COMMON_NAME, common)])

    usage = dict.fromkeys(
        ("content_commitment", "key_encipherment", "data_encipherment", "key_agreement", "encipher_only"), False
    )
    usage |= {"decipher_only": False, "key_cert_sign": authority, "crl_sign": authority}
    certificate = (
        x509.CertificateBuilder(name(issuer), name(subject), key.public_key(), x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.BasicConstraints(ca=authority, path_length=None), critical=True)
        .add_extension(x509.KeyUsage(digital_signature=not authority, **usage), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.EMAIL_PROTECTION]), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer_key.public_key()), critical=False)
        .sign(issuer_key, hashes.SHA256())
    )
    return certificate.public_bytes(serialization.Encoding.PEM).decode()


def sign(image: bytes, media_type: str, *, generator: str = "SketchPad", remote: str = "") -> bytes:
    """The image with a C2PA manifest, signed under a test authority."""
    root, leaf = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
    chain = certify("Test Signer", leaf, "Test Root", root) + certify("Test Root", root, "Test Root", root)
    key = leaf.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    created = {"action": "c2pa.created", "digitalSourceType": AI_MADE, "softwareAgent": {"name": "DALL·E"}}
    manifest = {
        "claim_generator_info": [{"name": generator, "version": "1.0"}],
        "assertions": [{"label": "c2pa.actions", "data": {"actions": [created]}}],
    }
    signed = io.BytesIO()
    signer = c2pa.Signer.from_info(c2pa.C2paSignerInfo(b"es256", chain.encode(), key, None))
    with signer, c2pa.Builder(json.dumps(manifest)) as builder:
        if remote:
            builder.set_no_embed()
            builder.set_remote_url(remote)
        builder.sign(signer, media_type, io.BytesIO(image), signed)
    return signed.getvalue()


def png(*chunks: bytes) -> bytes:
    """A PNG with these chunks inserted before its end."""
    data = encode(draw(), "PNG")
    return data[:-12] + b"".join(chunks) + data[-12:]


@pytest.mark.parametrize("format", FORMATS)
def test_an_image_without_metadata_has_no_provenance(format: str) -> None:
    assert read_provenance(encode(draw(), format)) == NOTHING


@pytest.mark.parametrize("format", FORMATS)
def test_a_signed_image_names_its_signer(format: str) -> None:
    found = read_provenance(sign(encode(draw(), format), FORMATS[format]))
    assert found == {
        **NOTHING,
        "c2pa": {
            "state": "Valid",
            "signer": {"issuer": "Provider of Tests", "common_name": "Test Signer", "time": ""},
            "claim_generator": "SketchPad 1.0",
            "problems": ["signingCredential.untrusted"],
        },
        "digital_source_types": ["trainedAlgorithmicMedia"],
        "made_with": ["DALL·E"],
    }


def test_a_signed_image_that_was_changed_is_invalid() -> None:
    data = bytearray(sign(encode(draw(), "PNG"), "image/png"))
    data[data.rindex(b"IDAT") + 20] ^= 1
    found = read_provenance(bytes(data))
    assert found["c2pa"]["state"] == "Invalid"
    assert "assertion.dataHash.mismatch" in found["c2pa"]["problems"]
    assert found["c2pa"]["signer"]["common_name"] == "Test Signer"


def test_a_remote_manifest_is_not_fetched(httpserver) -> None:
    data = sign(encode(draw(), "JPEG"), "image/jpeg", remote=httpserver.url_for("/manifest.c2pa"))
    found = read_provenance(data)
    assert httpserver.log == []
    assert found["c2pa"] is None
    assert "must fetch remote manifests" in found["errors"][0]


def test_a_damaged_manifest_is_listed_as_an_error() -> None:
    data = sign(encode(draw(), "JPEG"), "image/jpeg").replace(b"jumd", b"duum")
    found = read_provenance(data)
    assert found["c2pa"] is None
    assert found["errors"][0].startswith("c2pa: ")


def test_without_c2pa_python_its_absence_is_recorded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "c2pa", None)
    found = read_provenance(sign(encode(draw(), "PNG"), "image/png"))
    assert found == {**NOTHING, "c2pa": "not read: c2pa-python is not installed"}


@pytest.mark.parametrize("format", FORMATS)
def test_exif_texts_are_recorded(format: str) -> None:
    exif = Image.Exif()
    exif[ExifTags.Base.Software] = "NovelAI"
    exif[ExifTags.Base.Artist] = "Ada"
    exif[ExifTags.Base.ImageDescription] = "x" * 5_000
    exif[ExifTags.Base.Orientation] = 6
    exif.get_ifd(ExifTags.IFD.Exif)[ExifTags.Base.UserComment] = b"ASCII\0\0\0a comment"
    found = read_provenance(encode(draw(), format, exif=exif))
    assert found["exif"] == {
        "Software": "NovelAI",
        "Artist": "Ada",
        "ImageDescription": "x" * MAX_TEXT,
        "UserComment": "a comment",
    }
    assert found["made_with"] == ["NovelAI"]


@pytest.mark.parametrize("charset", ["utf-16-le", "utf-16-be"])
def test_the_parameters_of_a_web_ui_are_found_in_a_jpeg(charset: str) -> None:
    parameters = "a fox\nNegative prompt: blur\nSteps: 20, Sampler: Euler a, Seed: 1"
    exif = Image.Exif()
    exif.get_ifd(ExifTags.IFD.Exif)[ExifTags.Base.UserComment] = b"UNICODE\0" + parameters.encode(charset)
    found = read_provenance(encode(draw(), "JPEG", exif=exif))
    assert found["exif"] == {"UserComment": parameters}
    assert found["made_with"] == ["Stable Diffusion web UI"]


@pytest.mark.parametrize("format", FORMATS)
def test_the_source_type_is_read_from_xmp(format: str) -> None:
    if format == "PNG":
        info = PngImagePlugin.PngInfo()
        info.add_itxt("XML:com.adobe.xmp", XMP, zip=True)
        data = encode(draw(), "PNG", pnginfo=info)
    else:
        data = encode(draw(), format, xmp=XMP.encode())
    assert read_provenance(data) == {
        **NOTHING,
        "xmp": True,
        "digital_source_types": ["trainedAlgorithmicMedia"],
        "made_with": ["Adobe Firefly"],
    }


@pytest.mark.parametrize(
    ("keyword", "text", "provider"),
    [
        ("workflow", '{"last_node_id": 9}', "ComfyUI"),
        ("prompt", '{"3": {"class_type": "KSampler"}}', "ComfyUI"),
        ("parameters", "a fox\nSteps: 20, Sampler: Euler a", "Stable Diffusion web UI"),
        ("invokeai_metadata", "{}", "InvokeAI"),
        ("fooocus_scheme", "a1111", "Fooocus"),
        ("Software", "NovelAI", "NovelAI"),
        ("Description", "a fox --v 6 Job ID: 0f1e2d3c-0000-1111-2222-333344445555", "Midjourney"),
        ("Comment", "made by ChatGPT", "OpenAI"),
    ],
)
@pytest.mark.parametrize("kind", ["tEXt", "zTXt", "iTXt", "iTXt, zipped"])
def test_programs_are_recognised_by_their_texts(keyword: str, text: str, provider: str, kind: str) -> None:
    info = PngImagePlugin.PngInfo()
    add = info.add_itxt if kind.startswith("iTXt") else info.add_text
    add(keyword, text, zip=kind in {"zTXt", "iTXt, zipped"})
    found = read_provenance(encode(draw(), "PNG", pnginfo=info))
    assert found == {**NOTHING, "png_text": [{"keyword": keyword, "text": text}], "made_with": [provider]}


def test_a_text_that_only_mentions_a_prompt_names_no_program() -> None:
    info = PngImagePlugin.PngInfo()
    info.add_text("prompt", "a fox at its workflow: {steps}")
    assert read_provenance(encode(draw(), "PNG", pnginfo=info))["made_with"] == []


@pytest.mark.parametrize(
    "make", [lambda packed: b"zTXt" + b"k\0\0" + packed, lambda packed: b"iTXt" + b"k\0\1\0\0\0" + packed]
)
def test_a_text_that_inflates_to_a_hundred_megabytes_is_cut(make: Callable[[bytes], bytes]) -> None:
    packer = zlib.compressobj(9)
    packed = b"".join(packer.compress(b"a" * (1 << 20)) for _ in range(100)) + packer.flush()
    body = make(packed)
    data = png(chunk(body[:4], body[4:]))
    tracemalloc.start()
    found = read_provenance(data)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert found["png_text"] == [{"keyword": "k", "text": "a" * MAX_TEXT}]
    assert peak < 20 << 20


def test_at_most_fifty_texts_are_kept() -> None:
    chunks = [chunk(b"tEXt", b"k%d\0" % i + b"x" * 3_000) for i in range(MAX_ENTRIES + 20)]
    found = read_provenance(png(*chunks))
    assert [entry["keyword"] for entry in found["png_text"]] == [f"k{i}" for i in range(MAX_ENTRIES)]
    assert {len(entry["text"]) for entry in found["png_text"]} == {MAX_TEXT}


def test_a_text_that_cannot_be_inflated_does_not_hide_the_next_one() -> None:
    found = read_provenance(png(chunk(b"zTXt", b"bad\0\0nonsense"), chunk(b"tEXt", b"good\0text")))
    assert [entry["keyword"] for entry in found["png_text"]] == ["bad", "good"]
    assert found["png_text"][0]["text"].startswith("not readable: ")
    assert found["png_text"][1]["text"] == "text"


def test_characters_that_a_database_cannot_hold_are_replaced() -> None:
    lone = b"k\0\0\0\0\0" + b"a\0b\xed\xa0\x80c"
    comment = Image.Exif()
    comment.get_ifd(ExifTags.IFD.Exif)[ExifTags.Base.UserComment] = b"UNICODE\0" + b"a\0\0\0\x00\xd8b\0"
    for data in (png(chunk(b"iTXt", lone)), encode(draw(), "JPEG", exif=comment)):
        expect_storable(read_provenance(data))


def expect_storable(found: dict[str, Any]) -> None:
    text = json.dumps(found, ensure_ascii=False, allow_nan=False)
    text.encode()  # fails on a lone surrogate
    assert "\\u0000" not in text


@pytest.mark.parametrize("data", [b"", b"text", b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff\xe0", b"GIF89a" + bytes(20)])
def test_bytes_of_no_image_are_an_error(data: bytes) -> None:
    found = read_provenance(data)
    assert {**found, "errors": []} == NOTHING
    assert found["errors"]


SIGNED = {format: sign(encode(draw(), format), FORMATS[format]) for format in ("PNG", "JPEG", "WEBP")}


@given(st.sampled_from(sorted(SIGNED)), st.data())
def test_a_changed_image_never_raises(format: str, data: st.DataObject) -> None:
    changed = bytearray(SIGNED[format])
    for place in data.draw(st.lists(st.integers(0, len(changed) - 1), max_size=10)):
        changed[place] = data.draw(st.integers(0, 255))
    expect_storable(read_provenance(bytes(changed[: data.draw(st.integers(0, len(changed)))])))


@given(st.binary(max_size=300), st.sampled_from([b"tEXt", b"zTXt", b"iTXt", b"eXIf", b"caBX"]))
def test_any_bytes_in_a_chunk_are_accepted(body: bytes, kind: bytes) -> None:
    expect_storable(read_provenance(png(chunk(kind, body))))


def test_a_chunk_longer_than_the_file_ends_the_search() -> None:
    data = png(chunk(b"tEXt", b"first\0one"))[:-12] + struct.pack(">I", 2**31) + b"tEXtsecond\0two"
    assert read_provenance(data)["png_text"][0] == {"keyword": "first", "text": "one"}
