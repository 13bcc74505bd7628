"""Whatever the file, the pictures come out whole, upright, in order and at their times."""

import subprocess
import sys
from fractions import Fraction

import av
import cv2
import numpy as np
import pytest

from motion_imitate.video import Limits, TooLarge, probe, read
from motion_imitate.video.reading import is_mirrored
from tests.support.media import (
    FILMS,
    RATE,
    UPRIGHT,
    corners,
    film,
    number,
    picture,
    repacked,
    watched,
    with_display_matrix,
    woven,
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("films")


def seen(path, **how):
    """All pictures [T, H, W, 3], their times, and what was warned of."""
    warnings = []
    runs = list(read(path, warn=warnings.append, **how))
    images = np.concatenate([run.data.permute(0, 2, 3, 1).numpy() for run in runs])
    return images, np.concatenate([run.seconds.numpy() for run in runs]), warnings


@pytest.mark.parametrize("name", FILMS)
def test_every_picture_comes_upright_and_at_its_time(folder, name):
    how = FILMS[name]
    path = film(folder / name, **how)
    images, seconds, warnings = seen(path)
    info = probe(path)
    at = how.get("at", lambda i: i / RATE)
    assert [number(image) for image in images] == list(range(60))
    assert {corners(image) for image in images} == {UPRIGHT}
    assert images.shape == (60, 96, 128, 3)
    assert (info.height, info.width) == (96, 128)
    assert not warnings
    tolerance = 0.0051 if name.endswith("gif") else 0.0011  # half a tick, twice, of formats with coarse clocks
    np.testing.assert_allclose(seconds, [at(i) for i in range(60)], atol=tolerance)
    if info.duration and not name.endswith("mpg"):  # whose header does not know
        assert abs(info.duration - at(59) - 1 / RATE) < 1.5 / RATE


def test_pictures_are_those_of_a_plain_loop(folder):
    """The fast way gives the very pixels of the slow one."""
    path = film(folder / "loop.mp4", count=20)
    images, _, _ = seen(path, run=7)
    np.testing.assert_array_equal(images, np.stack([image for _, image in watched(path)]))


@pytest.mark.parametrize("name", ["turned_90.mp4", "turned_180.mp4", "turned_270.mp4"])
def test_turning_agrees_with_opencv(folder, name):
    path = film(folder / f"cv_{name}", count=3, **FILMS[name])
    capture = cv2.VideoCapture(str(path))
    images, _, _ = seen(path)
    for image in images:
        ok, theirs = capture.read()
        assert ok
        assert np.abs(image.astype(int) - theirs[..., ::-1]).mean() < 3
    assert probe(path).rotation == int(name[7:-4])


MATRICES = [(1, 0, 0, 1), (0, 1, -1, 0), (-1, 0, 0, -1), (0, -1, 1, 0)]  # a quarter turn more each
MATRICES += [(-a, b, -c, d) for a, b, c, d in MATRICES]  # mirrored


@pytest.mark.parametrize("matrix", MATRICES)
def test_the_display_matrix_says_where_each_pixel_goes(folder, matrix):
    path = with_display_matrix(film(folder / "matrix.mp4", count=2), matrix)
    stored = watched(path)[0][1]
    y, x = (places.ravel() for places in np.mgrid[: stored.shape[0], : stored.shape[1]])
    a, b, c, d = matrix
    across, down = a * x + c * y, b * x + d * y
    across, down = across - across.min(), down - down.min()
    shown = np.zeros((down.max() + 1, across.max() + 1, 3), np.uint8)
    shown[down, across] = stored[y, x]
    np.testing.assert_array_equal(seen(path)[0][0], shown)
    assert (probe(path).height, probe(path).width) == shown.shape[:2]


def test_looking_at_a_frame_does_not_keep_it(folder):
    """PyAV's frames with side data refer to themselves."""
    with av.open(str(with_display_matrix(film(folder / "kept.mp4", count=2), MATRICES[5]))) as file:
        frame = next(file.decode(video=0))
        held = sys.getrefcount(frame)
        assert is_mirrored(frame)
        assert sys.getrefcount(frame) == held


def test_runs_are_as_long_as_asked(folder):
    path = film(folder / "runs.mp4")
    assert [len(run) for run in read(path, run=16)] == [16, 16, 16, 12]
    first = next(read(path, run=8))
    assert first.data.permute(0, 2, 3, 1).is_contiguous()
    assert first.data.shape == (8, 3, 96, 128)


@pytest.mark.parametrize("name", ["plain.mp4", "turned_90.mp4", "wide_pixels.mp4"])
def test_a_wanted_size_is_the_upright_one(folder, name):
    path = film(folder / f"size_{name}", count=9, **FILMS[name])
    images, _, _ = seen(path, size=(50, 90))
    assert images.shape == (9, 50, 90, 3)
    assert [number(image) for image in images] == list(range(9))
    assert corners(images[0]) == UPRIGHT


def test_scaling_keeps_the_mean(folder):
    """Areas are averaged, so fine lines become their mean, not one of them."""

    def lines(i, size):
        return np.broadcast_to(np.arange(size[1])[None, :, None] % 2 * 200 + 20, (*size, 3)).astype(np.uint8)

    path = film(folder / "lines.avi", codec="rawvideo", pixels="bgr24", tick=Fraction(1, RATE), image=lines, count=1)
    images, _, _ = seen(path, size=(48, 32))
    assert np.abs(images.astype(int) - 120).max() <= 2


def test_one_frame_and_few_pixels(folder):
    images, seconds, _ = seen(film(folder / "one.mp4", count=1))
    assert images.shape == (1, 96, 128, 3)
    assert seconds.tolist() == [0]
    tiny = film(folder / "tiny.mkv", size=(2, 2), codec="ffv1", tick=Fraction(1, 1000), pixels="bgr0")
    assert seen(tiny)[0].shape == (60, 2, 2, 3)
    assert number(seen(film(folder / "small.mp4", size=(16, 16)))[0][42]) == 42


def test_grey_is_grey(folder):
    images, _, _ = seen(film(folder / "grey.mp4", pixels="gray"))
    assert np.ptp(images.astype(int), axis=-1).max() <= 2
    assert number(images[37]) == 37


def test_a_thousand_frames_a_second(folder):
    path = film(folder / "quick.mp4", rate=1000, at=lambda i: i / 1000)
    _, seconds, _ = seen(path)
    np.testing.assert_allclose(np.diff(seconds), 1e-3, atol=1e-4)
    assert probe(path).rate == 1000


def test_of_too_many_frames_some_are_skipped(folder):
    path = film(folder / "few.mp4", count=40)
    images, seconds, _ = seen(path, rate=10.0)
    assert [number(image) for image in images] == list(range(0, 40, 3))
    np.testing.assert_allclose(seconds, np.arange(0, 40, 3) / RATE, atol=1e-3)


def test_an_absurd_rate_is_told_and_replaced(folder):
    path = film(folder / "slow.mkv", count=3, rate=Fraction(1, 20), at=lambda i: i * 20, codec="ffv1", pixels="bgr0")
    _, seconds, warnings = seen(path)
    np.testing.assert_allclose(seconds, [0, 20, 40])
    assert any("0.05" in warning for warning in warnings)
    assert probe(path).rate == 25


def test_a_bare_stream_gets_even_times(folder):
    path = film(folder / "bare.h264", container="h264", tick=Fraction(1, RATE), options={"bf": "2"})
    images, seconds, warnings = seen(path)
    assert [number(image) for image in images] == list(range(60))
    np.testing.assert_allclose(seconds, np.arange(60) / RATE)
    assert len(warnings) == 1
    assert "no time" in warnings[0]


def intra(folder):
    """Of which each packet is a whole picture, so that any times can be given to them."""
    return film(folder / "intra.mkv", codec="mjpeg", pixels="yuvj420p", tick=Fraction(1, 1000), size=(64, 64))


@pytest.mark.parametrize(
    ("times", "expected"),
    [
        ([0, 0.1, 0.1, 0.2, 0.3], [0, 0.1, 0.15, 0.2, 0.3]),  # the same twice
        ([0, 0.2, 0.1, 0.3, 0.4], [0, 0.2, 0.25, 0.3, 0.4]),  # a small step back
        ([9, 9.1, 2, 2.1, 2.2], [0, 0.1, 0.2, 0.3, 0.4]),  # set anew
        ([0, 0.1, 5000, 5000.1], [0, 0.1, 0.2, 0.3]),  # a leap ahead
        ([0, 0.1, 20, 20.1], [0, 0.1, 20, 20.1]),  # a long still, which is no fault
    ],
    ids=["twice", "back", "anew", "ahead", "still"],
)
def test_time_never_goes_back(folder, times, expected):
    path = repacked(folder / "times.mkv", intra(folder), times)
    images, seconds, warnings = seen(path)
    np.testing.assert_allclose(seconds, expected, atol=2e-3)
    assert [number(image) for image in images] == list(range(len(times)))
    assert bool(warnings) == (times != expected)


def test_joined_files_of_two_sizes(folder):
    a = film(folder / "a.ts", sound="aac", begin=2)
    b = film(folder / "b.ts", sound="aac", size=(144, 192), count=30)
    joined = folder / "joined.ts"
    joined.write_bytes(a.read_bytes() + b.read_bytes())
    images, seconds, warnings = seen(joined)
    assert images.shape == (90, 96, 128, 3)
    assert [number(image) for image in images] == [*range(60), *range(30)]
    np.testing.assert_allclose(np.diff(seconds), 1 / RATE, atol=1e-3)
    assert any("size changes" in warning for warning in warnings)
    assert any("timestamps jump" in warning for warning in warnings)


def test_interlaced_pictures_lose_their_combs(folder):
    how = {"options": {"flags": "+ilme+ildct", "x264-params": "tff=1"}, "image": woven}
    path = film(folder / "interlaced.mp4", **how)

    def comb(images):
        lines = np.stack(images).astype(int)[..., 0]
        return np.abs(lines[:, 1:-1] * 2 - lines[:, 2:] - lines[:, :-2]).mean()

    images, seconds, warnings = seen(path)
    assert probe(path).interlaced
    assert comb(images) < 0.3 * comb([image for _, image in watched(path)])
    np.testing.assert_allclose(seconds, np.arange(60) / RATE, atol=1e-4)
    assert any("interlaced" in warning for warning in warnings)


def pq(nits):
    power = (nits / 10000) ** 0.1593017578125
    return ((0.8359375 + 18.8515625 * power) / (1 + 18.6875 * power)) ** 78.84375


def hlg(nits):
    """For a display of 1000 nits."""
    light = nits / 1000 * (nits @ [0.2627, 0.678, 0.0593] / 1000)[:, None] ** (1 / 1.2 - 1)
    return np.where(light <= 1 / 12, np.sqrt(3 * light), 0.17883277 * np.log(12 * light - 0.28466892) + 0.55991073)


LIGHT = np.array([[0.5, 0.5, 0.5], [0.5, 0.25, 0.15], [0.15, 0.4, 0.2], [0.15, 0.2, 0.5], [0.05, 0.05, 0.05]])
BRIGHT = np.array([[1, 1, 1], [2, 2, 2], [4, 4, 4], [3, 1.5, 1], [1, 1.5, 3]])  # diffuse white, and what is brighter


def hdr_film(path, curve, tag, light):
    """A field for each colour of BT.709, as light; 203 nits are white."""
    wide = np.array([[0.6274, 0.3293, 0.0433], [0.0691, 0.9195, 0.0114], [0.0164, 0.088, 0.8956]])
    with np.errstate(invalid="ignore"):
        stored = np.round(255 * curve(light @ wide.T * 203)).astype(np.uint8)
    fields = np.repeat(np.repeat(stored[None], 32, 0), 16, 1)
    how = {"codec": "libx265", "pixels": "yuv444p10le", "colours": (9, tag, 9), "options": {"crf": "4"}, "count": 5}
    return film(path, size=fields.shape[:2], image=lambda i, size: fields, **how)


@pytest.mark.parametrize(("curve", "tag"), [(pq, 16), (hlg, 18)])
def test_hdr_comes_back_as_the_colours_it_was_made_from(folder, curve, tag):
    path = hdr_film(folder / f"hdr_{tag}.mp4", curve, tag, LIGHT)
    images, _, warnings = seen(path)
    assert probe(path).hdr
    assert any("HDR" in warning for warning in warnings)
    assert np.abs(images[2, 16, 8::16] - 255 * LIGHT ** (1 / 2.4)).max() < 8  # unconverted it would be 60 off


@pytest.mark.parametrize(("curve", "tag"), [(pq, 16), (hlg, 18)])
def test_what_is_brighter_than_white_keeps_its_detail_and_hue(folder, curve, tag):
    images, _, _ = seen(hdr_film(folder / f"bright_{tag}.mp4", curve, tag, BRIGHT))
    shown = images[2, 16, 8::16].astype(int)
    assert 225 < shown[0].mean() < 240  # neither grey nor burnt out
    assert (np.diff(shown[:3].mean(1)) > 4).all()
    light = (shown[3:] / 255) ** 2.4
    expected = BRIGHT[3:] / BRIGHT[3:].max(1, keepdims=True)
    assert np.abs(light / light.max(1, keepdims=True) - expected).max() < 0.05


def test_the_colours_of_a_wide_gamut_are_those_of_bt709(folder):
    """Red, skin and green of BT.709 in the primaries of Display P3."""
    light = np.array([[1.0, 0, 0], [0.5, 0.25, 0.15], [0, 1, 0]])
    p3 = np.array([[0.8225, 0.1774, 0], [0.0332, 0.9669, 0], [0.0171, 0.0724, 0.9108]])
    fields = np.repeat(np.repeat(np.round(255 * (light @ p3.T) ** (1 / 2.4))[None], 32, 0), 16, 1).astype(np.uint8)
    how = {"size": fields.shape[:2], "image": lambda i, size: fields, "colours": (12, 1, 1), "pixels": "yuv444p"}
    images, _, _ = seen(film(folder / "p3.mp4", count=3, options={"crf": "4"}, **how))
    assert np.abs((images[1, 16, 8::16] / 255) ** 2.4 - light).max() < 0.03  # unconverted 0.1


def test_untagged_hd_is_read_as_players_read_it(folder):
    """Encoded with the matrix of HD and not tagged: the colours are still right."""
    size = (720, 1280)

    def image(i, size):
        frame = av.VideoFrame.from_ndarray(picture(i, size), format="rgb24")
        return frame.reformat(format="yuv420p", dst_colorspace="ITU709").to_ndarray()

    path = folder / "hd.mp4"
    with av.open(str(path), "w") as out:
        track = out.add_stream("libx264", rate=RATE, options={"preset": "ultrafast", "crf": "10"})
        track.height, track.width, track.pix_fmt = *size, "yuv420p"
        out.mux(track.encode(av.VideoFrame.from_ndarray(image(0, size), format="yuv420p")))
        out.mux(track.encode(None))
    images, _, _ = seen(path)
    assert np.abs(images[0, 72, 128].astype(int) - picture(0, size)[72, 128]).max() <= 4
    assert np.abs(images[0, 648, 128].astype(int) - picture(0, size)[648, 128]).max() <= 4


def test_memory_stays_flat_over_twenty_thousand_frames(folder):
    path = repacked(folder / "long.mkv", intra(folder), np.arange(20_000) / RATE)
    code = (
        "import resource, sys; from pathlib import Path; from motion_imitate.video import read\n"
        "n = 0\n"
        "for run in read(Path(sys.argv[1])):\n"
        "    n += len(run)\n"
        "    if n in (2000, 20000): print(n, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)\n"
    )
    told = subprocess.run([sys.executable, "-c", code, path], capture_output=True, text=True, check=True).stdout
    (_, early), (count, late) = (map(int, line.split()) for line in told.splitlines())
    assert count == 20_000
    assert late - early < 8_000  # KiB


def test_what_goes_on_for_too_long_is_stopped(folder):
    """Even where the header keeps quiet about it."""
    path = repacked(folder / "endless.mkv", intra(folder), np.arange(200) * 1.0)
    with pytest.raises(TooLarge, match="limit of 100 s"):
        seen(path, limits=Limits(seconds=100.0))
