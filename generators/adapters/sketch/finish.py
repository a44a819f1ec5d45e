"""The finish of a picture after drawing: shading, texture, glow, film grain and blur."""

from random import Random

from PIL import Image, ImageChops, ImageFilter

from generators.adapters.sketch.styles import Style, mix

Size = tuple[int, int]


def make_noise(size: Size, rng: Random) -> Image.Image:
    """Uniform grey noise."""
    return Image.frombytes("L", size, rng.randbytes(size[0] * size[1]))


def _make_lines(size: Size, period: int) -> Image.Image:
    """Slanted parallel lines as a saw tooth of grey."""
    width, height = size
    tooth = bytes(round(255 * abs(2 * x / period - 1)) for x in range(period))
    strip = tooth * (width // period + 2)
    return Image.frombytes("L", size, b"".join(strip[y % period : y % period + width] for y in range(height)))


def shade_objects(image: Image.Image, mask: Image.Image, style: Style, reach: float, rng: Random) -> Image.Image:
    """Darken objects towards their lower right edges with the screen of the style."""
    if style.screen == "none":
        return image
    small = mask.reduce(2)
    blurred = ImageChops.offset(small.filter(ImageFilter.BoxBlur(reach / 2)), -round(reach / 3), -round(reach / 3))
    tone = ImageChops.subtract(mask, blurred.resize(mask.size, Image.Resampling.BILINEAR))
    return Image.composite(_darken(image, style), image, _screen(tone, mask, style, rng))


def _darken(image: Image.Image, style: Style) -> Image.Image:
    if style.screen == "hatch":
        return Image.blend(image, Image.new("RGB", image.size, style.paper), style.shade)
    return Image.blend(image, Image.new("RGB", image.size, mix(style.ink, (60, 30, 50), 0.4)), style.shade)


def _screen(tone: Image.Image, mask: Image.Image, style: Style, rng: Random) -> Image.Image:
    if style.screen == "soft":
        return tone
    # The lit part is not shaded, and the darkest part keeps some of the object's colour.
    strong = tone.point([min(190, max(0, v - 40) * 2) for v in range(256)])
    if style.screen == "stipple":
        return ImageChops.subtract(strong, make_noise(mask.size, rng), 0.35)
    period = max(4, round(min(mask.size) / (90 if style.screen == "lines" else 110)))
    return ImageChops.subtract(strong, _make_lines(mask.size, period), 0.2)


def add_glow(image: Image.Image, amount: float) -> Image.Image:
    """Light spilling from the brightest areas."""
    small = image.reduce(4)
    bright = small.point([max(0, v - 90) * 255 // 165 for v in range(256)] * 3)
    side = min(small.size)
    wide = bright.filter(ImageFilter.GaussianBlur(side * 0.035))
    near = bright.filter(ImageFilter.GaussianBlur(side * 0.009))
    halo = ImageChops.add(wide, near.point([int(v * 0.6) for v in range(256)] * 3))
    halo = halo.resize(image.size, Image.Resampling.BICUBIC)
    return ImageChops.screen(image, halo.point([int(v * amount) for v in range(256)] * 3))


def add_streaks(image: Image.Image, style: Style, rng: Random) -> Image.Image:
    """Wax strokes: slanted streaks where the paper shows through."""
    # At half size: crayon is coarse, and rotating the streaks takes most of the time.
    width, height = (max(8, length // 2) for length in image.size)
    around = round(1.45 * max(width, height))
    streaks = make_noise((max(8, around // 20), around), rng).resize((around, around), Image.Resampling.BILINEAR)
    left, top = (around - width) // 2, (around - height) // 2
    slanted = streaks.rotate(38, Image.Resampling.BILINEAR).crop((left, top, left + width, top + height))
    wax = ImageChops.add(slanted, make_noise((width, height), rng), 2.0)
    strength = 255 * style.streaks
    shows = wax.point([int(strength * min(1.0, max(0.0, (v - 148) / 50))) for v in range(256)])
    paper = Image.new("RGB", image.size, style.paper)
    return Image.composite(paper, image, shows.resize(image.size, Image.Resampling.BILINEAR))


def add_flecks(image: Image.Image, amplitude: float, rng: Random) -> Image.Image:
    """Paper texture: a few lighter and darker specks. Sparse, so that files stay small."""
    level = round(amplitude)
    steps = [128 - level if v < 18 else 128 + level if v > 237 else 128 for v in range(256)]
    flecks = make_noise(image.size, rng).point(steps)
    return ImageChops.add(image, Image.merge("RGB", (flecks, flecks, flecks)), 1.0, -128)


def add_grain(image: Image.Image, amplitude: float, rng: Random) -> Image.Image:
    """Grey noise of plus or minus ``amplitude`` levels."""
    steps = [round(128 + (v - 127.5) / 127.5 * amplitude) for v in range(256)]
    grain = make_noise(image.size, rng).point(steps)
    return ImageChops.add(image, Image.merge("RGB", (grain, grain, grain)), 1.0, -128)


def degrade(image: Image.Image, *, noise: float, blur: float, rng: Random) -> Image.Image:
    """Degrade a whole picture: first blur, then film grain."""
    if blur:
        image = image.filter(ImageFilter.GaussianBlur(blur * 0.014 * min(image.size)))
    if noise:
        image = add_grain(image, 110 * noise, rng)
    return image
