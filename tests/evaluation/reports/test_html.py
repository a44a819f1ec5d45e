"""HTML report: one file that loads nothing, shows every number, and escapes every text."""

import base64
import io
import re
from collections.abc import Iterator
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import pytest
from PIL import Image
from playwright.sync_api import Browser, sync_playwright

from evaluation.reports.group_charts import draw_groups
from evaluation.reports.html import to_html
from evaluation.reports.report import ReadLine, RunReport, SampleScore
from evaluation.reports.thumbnail_set import Picture, ThumbnailSet
from tests.evaluation.reports.sample_reports import (
    make_hostile_report,
    make_outcome,
    make_report,
    make_sample,
    read_image,
)

VOID = {"meta", "link", "br", "img", "hr", "input"}


class Page(HTMLParser):
    """A parsed page. Fails if an element is not closed."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.elements: list[tuple[str, dict[str, str]]] = []
        self.texts: list[str] = []
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, {name: value or "" for name, value in attrs}))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, {name: value or "" for name, value in attrs}))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.texts.append(data)

    def having(self, tag: str, **attributes: str) -> list[dict[str, str]]:
        """The attributes of the elements with this name and these attribute values."""
        return [
            found
            for name, found in self.elements
            if name == tag and all(value in found.get(key.rstrip("_"), "").split() for key, value in attributes.items())
        ]

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.texts).split())


def render(report: RunReport) -> Page:
    return Page(to_html(report, read_image))


def spread_samples(n: int) -> RunReport:
    samples = tuple(make_sample(prompt_key=f"p{i}", seed=i, image=f"{i:06x}{'0' * 58}") for i in range(n))
    return make_report(samples=samples, n_samples=n, n_drawn=n, n_refused=0)


# Contents


def test_the_page_shows_the_verdict_and_the_numbers_with_their_sources() -> None:
    text = render(make_report()).text
    assert "Fail Fresco 2" in text
    assert "compared with Fresco 1 (revision step-40000" in text
    assert "Of 4 rules: 1 failed, 1 inconclusive, 2 passed." in text
    assert "3 s from 120 samples: above the limit of 2 s." in text
    assert "630 more samples would decide it." in text
    assert "84 % 79 to 88 %" in text
    assert "+6 percentage points better than the baseline +2 to +10" in text
    assert "Not compared: the reference sets differ" in text
    assert "Source AnyText (Tuo et al. 2023), section 5.1" in text
    assert "bootstrap over prompts, 1,000 resamples, 95 %" in text
    assert f'"sha256": "{"ab" * 32}"' in text
    assert "refused A shop window" in text
    assert "the provider's filter" in text
    assert "2 of 3 1 refused" in text
    assert "$0.08 $0.04 per image" in text
    assert '"confidence": 0.95' in text


def test_a_run_without_a_verdict_or_results_has_a_page() -> None:
    text = render(make_report(verdict=None, status="drawing", outcomes=(), samples=(), finished="", usd=None)).text
    assert "No verdict Fresco 2" in text
    assert "The run is drawing." in text


def test_an_unscored_metric_says_why() -> None:
    unscored = make_outcome(value=None, ci_low=None, ci_high=None, reason="CLIP is missing: put it here", n_scored=0)
    page = render(make_report(outcomes=(unscored,), policy=()))
    assert "unscored CLIP is missing: put it here" in page.text
    assert page.having("article", class_="unscored")


def test_the_worst_samples_show_the_text_read_and_the_objects_detected() -> None:
    page = render(make_report())
    (line,) = page.having("polygon", class_="text")
    assert line["points"] == "10.0,20.0 90.0,20.0 90.0,40.0 10.0,40.0"
    (box,) = page.having("polygon", class_="object")
    assert box["points"] == "4.0,8.0 92.0,8.0 92.0,60.0 4.0,60.0"
    assert "SUMER SALE blue window" in page.text
    assert "read “SUMER SALE” for “SUMMER SALE”" in page.text
    assert "expected SUMMER SALE" in page.text


def test_a_metric_used_twice_is_shown_with_its_labels() -> None:
    labels = ("text-sentence-accuracy", "poster-accuracy")
    sample = make_sample(scores={label: SampleScore(value=0.5) for label in labels})
    page = render(make_report(outcomes=tuple(make_outcome(label=label) for label in labels), samples=(sample,)))
    for label in labels:
        name = f"Text: sentence accuracy ({label})"
        assert f"{name} worst 50 %" in page.text
        assert page.texts.count(name) == 2  # the heading of the worst samples, and the scores of the image


# Pictures


def test_every_picture_is_in_the_file_once_and_small() -> None:
    page = render(make_report())
    images = page.having("image")
    assert len(images) == 2
    assert {image["id"] for image in images} == {use["href"][1:] for use in page.having("use")}
    assert (images[0]["width"], images[0]["height"]) == ("96", "64")  # boxes are in the original's pixels
    large = ThumbnailSet(lambda _: encode(Image.new("RGB", (3000, 1500), "red"))).add("x", 256)
    assert isinstance(large, Picture)
    small = Image.open(io.BytesIO(base64.b64decode(large.uri.removeprefix("data:image/webp;base64,"))))
    assert (small.size, (large.width, large.height)) == ((256, 128), (3000, 1500))


def encode(image: Image.Image, kind: str = "PNG") -> bytes:
    out = io.BytesIO()
    image.save(out, kind)
    return out.getvalue()


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGB", "RGBA", "I;16", "CMYK"])
def test_images_of_every_mode_are_shown(mode: str) -> None:
    data = encode(Image.new(mode, (40, 30)), "JPEG" if mode == "CMYK" else "PNG")
    assert isinstance(ThumbnailSet(lambda _: data).add("x", 256), Picture)


def test_at_most_120_images_are_shown_and_the_others_counted() -> None:
    page = render(spread_samples(300))
    assert len(page.having("figure", class_="thumbnail")) == 120
    assert "120 images, spread evenly over the run; 180 more are not shown." in page.text
    assert len(page.having("image")) <= 124


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (FileNotFoundError("no such original"), "no such original"),
        (b"", "no bytes"),
        (read_image("aa" * 32)[:60], "cut off"),
    ],
)
def test_an_unreadable_image_is_reported_and_the_others_are_shown(data, reason) -> None:
    def read(digest: str) -> bytes:
        if digest.startswith("aa"):
            if isinstance(data, Exception):
                raise data
            return data
        return read_image(digest)

    page = Page(to_html(make_report(), read))
    assert "The image cannot be shown" in page.text
    assert len(page.having("image")) == 1
    assert "Fail Fresco 2" in page.text


# Charts


def test_groups_are_drawn_on_one_axis_the_worst_first() -> None:
    groups = {"category: sign": 0.9, "category: poster": 0.45, "language: it": 0.6}
    categories, languages = draw_groups(make_outcome(value=0.8, groups=groups))
    assert [(bar.name, bar.width) for bar in categories.bars] == [("poster", "45.00%"), ("sign", "90.00%")]
    assert (categories.kind, categories.overall, languages.kind) == ("category", "80.00%", "language")
    slow, quick = draw_groups(make_outcome(value=3.0, higher_is_better=False, groups={"a: x": 2.0, "a: y": 4.0}))[
        0
    ].bars
    assert [(slow.name, slow.width), (quick.name, quick.width)] == [("y", "100.00%"), ("x", "50.00%")]
    (below,) = draw_groups(make_outcome(value=1.0, groups={"a: x": -1.0}))[0].bars
    assert (below.left, below.width) == ("0.00%", "50.00%")
    many = draw_groups(make_outcome(groups={f"a: {i}": i / 20 for i in range(20)}))[0]
    assert (len(many.bars), many.n_hidden) == (12, 8)


# One safe file


@pytest.mark.parametrize("report", [make_report(), make_hostile_report()])
def test_the_page_loads_nothing_and_runs_nothing(report: RunReport) -> None:
    page = render(report)
    (policy,) = (meta["content"] for meta in page.having("meta") if meta.get("http-equiv"))
    assert policy.startswith("default-src 'none'; img-src data:; style-src 'unsafe-inline'")
    assert not {tag for tag, _ in page.elements} & {"script", "iframe", "object", "embed", "base", "form", "img"}
    for _, attributes in page.elements:
        assert not [name for name in attributes if name.startswith("on")]
        for name in ("src", "href", "xlink:href", "action"):
            assert attributes.get(name, "#").startswith(("#", "data:"))
    assert not re.search(r"url\((?!#)|@import", to_html(report, read_image))


def test_hostile_texts_are_escaped() -> None:
    text = to_html(make_hostile_report(), read_image)
    page = Page(text)
    assert "<script>alert(1)</script>" in page.text
    assert "{{ 1 }} {% x %}" in page.text
    assert "<script" not in text
    assert not re.search("[\x00-\x08\x0e-\x1f\u202a-\u202e\u2066-\u2069]", text)


def test_long_texts_are_cut() -> None:
    prompt = "word " * 2_000
    samples = tuple(make_sample(prompt=prompt, seed=i, prompt_key=f"p{i}") for i in range(100))
    long, short = make_report(samples=samples), make_report(samples=tuple(replace(s, prompt="word") for s in samples))
    assert len(to_html(long, read_image)) - len(to_html(short, read_image)) < 100 * 800


# In a browser


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path="/usr/bin/chromium", args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.mark.browser
@pytest.mark.parametrize("report", [make_report(), make_hostile_report()], ids=["plain", "hostile"])
def test_the_page_fits_a_desk_and_a_phone_without_a_complaint(chromium: Browser, tmp_path: Path, report) -> None:
    file = tmp_path / "report.html"
    file.write_text(to_html(report, read_image), encoding="utf-8")
    for width, scheme in ((1280, "light"), (390, "dark")):
        context = chromium.new_context(viewport={"width": width, "height": 844}, color_scheme=scheme)
        page, complaints, requests = context.new_page(), [], []
        page.on("console", lambda message, found=complaints: found.append(message.text))
        page.on("request", lambda request, found=requests: found.append(request.url[:40]))
        page.goto(file.as_uri())
        assert page.evaluate("document.documentElement.scrollWidth") == width
        seen = page.locator("#images .picture").first.bounding_box()
        assert seen
        assert seen["width"] > 100
        page.evaluate("for (const details of document.querySelectorAll('details')) details.open = true")
        assert page.evaluate("document.documentElement.scrollWidth") == width, "with everything open"
        assert complaints == []
        assert [url for url in requests if not url.startswith(("file:", "data:"))] == []
        context.close()


@pytest.mark.browser
def test_a_box_is_drawn_where_the_text_was_read(chromium: Browser, tmp_path: Path) -> None:
    """The left half of the picture is blue; the box around it ends at its edge."""
    image = Image.new("RGB", (800, 400), "white")
    image.paste("blue", (0, 0, 400, 400))
    box = ((0.0, 0.0), (400.0, 0.0), (400.0, 400.0), (0.0, 400.0))
    sample = make_sample(
        lines=(ReadLine(text="", box=box),), objects=(), scores={"text-sentence-accuracy": SampleScore(value=0.0)}
    )
    file = tmp_path / "report.html"
    file.write_text(to_html(make_report(samples=(sample,)), lambda _: encode(image)), encoding="utf-8")
    page = chromium.new_page(viewport={"width": 1280, "height": 900})
    page.goto(file.as_uri())
    page.add_style_tag(content="polygon.annotation { stroke: none !important; fill: red !important; }")
    picture = page.locator("#worst .picture").first
    shown = Image.open(io.BytesIO(picture.screenshot())).convert("RGB")
    middle = [shown.getpixel((x, shown.height // 2)) for x in range(4, shown.width - 4)]
    assert set(middle[: len(middle) // 2 - 3]) == {(255, 0, 0)}, "the whole blue half is under the box"
    assert not [pixel for pixel in middle[len(middle) // 2 + 3 :] if pixel[0] < 250 or pixel[1] < 250]
    page.close()
