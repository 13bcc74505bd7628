"""Transparent or not, in any format: frames in are frames out, in colour, alpha and time."""

from dataclasses import replace
from itertools import pairwise

import av
import numpy as np
import pytest
import torch

from motion_imitate.types import Frames
from motion_imitate.video import Encoding, OutputError, probe, read, write
from motion_imitate.video.formats import OUTPUT_FORMATS
from tests.support.media import BEEP, RATE, UPRIGHT, beep, corners, film, heard, number, picture

SUFFIXES = tuple(OUTPUT_FORMATS)
CLEAR = (".mov", ".webm")
ALPHA = {"libvpx-vp9": 3.0, "prores": 0.6}  # mean error that is allowed, of 255
TICK = {".mp4": 1e-4, ".mov": 1e-4, ".webm": 6e-4}


def veil(i, size=(96, 128)):
    """A soft disc that wanders, and full steps of alpha along the bottom."""
    y, x = np.mgrid[: size[0], : size[1]]
    disc = np.clip((30 - np.hypot(x - 30 - i, y - 40)) / 6 + 0.5, 0, 1) * 255
    disc[-16:] = np.repeat(np.arange(8) * 255 / 7, 16)
    return disc.round().astype(np.uint8)


def frames(count=20, alpha=True, at=lambda i: i / RATE, run=7):
    for start in range(0, count, run):
        numbers = range(start, min(start + run, count))
        pictures = [np.dstack([picture(i), veil(i)]) if alpha else picture(i) for i in numbers]
        data = torch.from_numpy(np.stack(pictures)).permute(0, 3, 1, 2)
        yield Frames(data, torch.tensor([at(i) for i in numbers], dtype=torch.float64))


def opened(path):
    """Every picture by another decoder than `read` uses: [H, W, 4], with its time."""
    name = "libvpx-vp9" if path.suffix == ".webm" else "prores"
    with av.open(str(path)) as file:
        stream = file.streams.video[0]
        decoder = av.CodecContext.create(name, "r")
        decoder.extradata = stream.codec_context.extradata
        decoder.width, decoder.height = stream.width, stream.height
        for packet in file.demux(stream):
            for frame in decoder.decode(packet if packet.size else None):
                yield float(frame.pts * stream.time_base), frame.to_ndarray(format="rgba"), name


@pytest.mark.parametrize("suffix", CLEAR)
def test_transparency_comes_back_by_another_decoder(tmp_path, suffix):
    path = tmp_path / f"out{suffix}"
    assert write(path, frames(), RATE, tags={"comment": "made up"}) == 20
    seen = list(opened(path))
    assert [number(image[..., :3]) for _, image, _ in seen] == list(range(20))
    np.testing.assert_allclose([time for time, _, _ in seen], np.arange(20) / RATE, atol=TICK[suffix])
    for i, (_, image, name) in enumerate(seen):
        assert np.abs(image[..., 3].astype(int) - veil(i)).mean() < ALPHA[name]
        assert np.abs(image[..., :3].astype(int) - picture(i))[:20, :28].mean() < 4
    assert list(tmp_path.iterdir()) == [path]
    with av.open(str(path)) as file:
        assert file.metadata.get("comment", file.metadata.get("COMMENT")) == "made up"
        context = file.streams.video[0].codec_context
        assert (context.color_primaries, context.color_trc, context.colorspace) == (1, 1, 1)


@pytest.mark.parametrize("suffix", SUFFIXES)
@pytest.mark.parametrize("alpha", [False, True])
def test_it_is_read_back_as_opaque(tmp_path, suffix, alpha):
    path = tmp_path / f"out{suffix.upper()}"
    if alpha and suffix not in CLEAR:
        with pytest.raises(OutputError, match=r"\.mov or \.webm"):
            write(path, frames(), RATE)
        assert not list(tmp_path.iterdir())
        return
    assert write(path, frames(alpha=alpha), RATE, how=Encoding(crf=4)) == 20
    told = []
    runs = list(read(path, warn=told.append))
    data = torch.cat([run.data for run in runs]).permute(0, 2, 3, 1).numpy()
    seconds = torch.cat([run.seconds for run in runs]).numpy()
    assert not told
    assert data.shape == (20, 96, 128, 3)
    assert [number(image) for image in data] == list(range(20))
    assert all(corners(image) == UPRIGHT for image in data)
    np.testing.assert_allclose(seconds, np.arange(20) / RATE, atol=TICK[suffix])
    assert abs(data[3, :20, :28].astype(int) - picture(3)[:20, :28]).max() <= 4
    assert probe(path).duration == pytest.approx(20 / RATE, abs=2e-3)


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_odd_times_and_odd_sides(tmp_path, suffix):
    path = tmp_path / f"out{suffix}"
    times = [0, 0.04, 0.05, 0.4, 2.0]
    odd = (replace(run, data=run.data[..., :95, :127]) for run in frames(5, suffix in CLEAR, times.__getitem__, 2))
    assert write(path, odd, RATE) == 5
    seconds = torch.cat([run.seconds for run in read(path)]).numpy()
    np.testing.assert_allclose(seconds, times, atol=TICK[suffix])
    assert (probe(path).height, probe(path).width) == (96, 128)


SOUNDS = {  # (file, what it is made with): what becomes of it
    (".mov", "aac"): "aac",
    (".mov", "pcm_s16le"): "pcm_s16le",
    (".mov", "libopus"): "aac",
    (".webm", "libopus"): "opus",
    (".webm", "aac"): "opus",
    (".webm", "pcm_s16le"): "opus",
    (".mp4", "libopus"): "opus",
}


@pytest.mark.parametrize(("suffix", "sound"), SOUNDS)
def test_sound_stays_in_step(tmp_path, suffix, sound):
    source = film(tmp_path / f"{sound}.mkv", sound=sound)
    path, told = tmp_path / f"out{suffix}", []
    assert write(path, read(source), RATE, source, warn=told.append) == 60
    assert not told
    assert probe(path).sound == SOUNDS[suffix, sound]
    assert abs(beep(path) - BEEP) < 0.02
    _, times = heard(path)
    assert abs(times[0]) < 0.022
    assert abs(times[-1] - 2) < 0.03
    assert len([None for run in read(path) for _ in run.seconds]) == 60


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_frames_of_two_kinds(tmp_path, suffix):
    alpha = suffix in CLEAR
    with pytest.raises(OutputError, match=r"alpha|transparency"):
        write(tmp_path / f"out{suffix}", [*frames(5, alpha), *frames(5, not alpha)], RATE)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("name", ["out.avi", "out"])
def test_suffixes_that_mean_nothing(tmp_path, name):
    with pytest.raises(OutputError, match=r"\.mp4, \.mov, \.webm"):
        write(tmp_path / name, frames(), RATE)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_a_better_quality_is_bigger_and_truer(tmp_path, suffix):
    error, size = [], []
    for crf in (40, 18):
        path = tmp_path / f"{crf}{suffix}"
        write(path, frames(5, alpha=False), RATE, how=Encoding(crf=crf))
        data = next(read(path)).data.permute(0, 2, 3, 1).numpy().astype(float)
        error.append(np.mean([np.square(image - picture(i)).mean() for i, image in enumerate(data)]))
        size.append(path.stat().st_size)
    assert all(a > b for a, b in pairwise(error))
    assert all(a < b for a, b in pairwise(size))
