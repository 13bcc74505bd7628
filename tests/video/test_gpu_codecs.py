"""NVENC and NVDEC: refused in a sentence where they are not there, and the same film where they are.

Of the project, only `motion_imitate` is needed here: the tests marked cuda run on a bare machine with a GPU.
"""

import logging
import subprocess
import sys
from dataclasses import replace
from fractions import Fraction

import av
import numpy as np
import pytest
import torch
from av.video.reformatter import VideoReformatter

from motion_imitate.types import Frames
from motion_imitate.video import Encoding, OutputError, gpu_codecs, nvdec_works, nvenc_works, read, write
from motion_imitate.video.formats import OUTPUT_FORMATS
from motion_imitate.video.opening import open_video
from motion_imitate.video.reading import to_rgb_array
from tests.support.media import RATE, film

AS_RENDERED = Encoding(preset="superfast")
PSNR_TOLERANCE = 1.0  # dB
without_nvenc = pytest.mark.skipif(nvenc_works(), reason="NVENC works here")
on_nvenc = pytest.mark.skipif(not nvenc_works(), reason="no NVENC")
on_nvdec = pytest.mark.skipif(not nvdec_works(), reason="no NVDEC")


def moving(count=45, size=(192, 256), run=16):
    """Soft pictures that move, at uneven times."""
    noise = np.random.default_rng(3).integers(0, 256, (1, 3, size[0] // 8, size[1] // 8), np.uint8)
    wide = torch.nn.functional.interpolate(torch.from_numpy(noise).float(), size, mode="bicubic").clamp(0, 255).byte()
    for start in range(0, count, run):
        numbers = range(start, min(start + run, count))
        seconds = torch.tensor([i / RATE + (i // 7) / 11 for i in numbers], dtype=torch.float64)
        yield Frames(torch.cat([wide.roll((i, 2 * i), (2, 3)) for i in numbers]), seconds)


def packets(path, kind):
    """Times and bytes of the packets of a file's first stream of a kind."""
    with av.open(str(path)) as file:
        stream = next(stream for stream in file.streams if stream.type == kind)
        return [(p.pts, p.dts, p.duration, bytes(p)) for p in file.demux(stream) if p.size]


def psnr(path):
    """Of a film against the moving pictures."""
    seen = torch.cat([run.data for run in read(path)]).float()
    return float(-10 * ((seen - torch.cat([run.data for run in moving()])) / 255).square().mean().log10())


def test_a_picture_encoded_by_a_working_encoder_is_found(monkeypatch):
    """What the trial says of an encoder that every machine has."""
    monkeypatch.setattr(gpu_codecs, "NVENC_CODEC", "libx264")
    assert gpu_codecs.nvenc_works.__wrapped__()
    monkeypatch.setattr(gpu_codecs, "NVENC_CODEC", "no such codec")
    assert not gpu_codecs.nvenc_works.__wrapped__()


@without_nvenc
def test_a_trial_that_fails_prints_nothing():
    trial = "from motion_imitate.video import nvdec_works, nvenc_works; print(nvenc_works(), nvdec_works() in (0, 1))"
    done = subprocess.run([sys.executable, "-c", trial], capture_output=True, text=True, check=True)
    assert (done.stdout, done.stderr) == ("False True\n", "")


@without_nvenc
def test_without_nvenc_auto_is_x264_and_nvenc_is_refused(tmp_path, caplog):
    plain, auto, asked = (tmp_path / f"{name}.mp4" for name in ("x264", "auto", "nvenc"))
    with caplog.at_level(logging.DEBUG):
        write(plain, moving(), RATE, how=AS_RENDERED)
        write(auto, moving(), RATE, how=Encoding(preset="superfast", encoder="auto"))
        with pytest.raises(OutputError, match=r"NVENC, which does not take pictures of 256x192 on this machine; use"):
            write(asked, moving(), RATE, how=Encoding(encoder="nvenc"))
    assert plain.read_bytes() == auto.read_bytes()
    assert not asked.exists()
    assert not caplog.records


@pytest.mark.parametrize("suffix", [".mov", ".webm"])
def test_the_encoder_is_that_of_h264_alone(tmp_path, suffix):
    path = tmp_path / f"out{suffix}"
    write(path, moving(3), RATE, how=Encoding(encoder="nvenc"))
    with av.open(str(path)) as file:
        assert file.streams.video[0].codec_context.name in ("prores", "vp9", "libvpx-vp9")


@without_nvenc
def test_nvenc_knows_every_option_it_is_given():
    """Options are read before the GPU is looked for; unknown ones are ignored, wrong values of known ones are not."""
    pixels = OUTPUT_FORMATS[".mp4"].opaque
    given = replace(pixels, codec="h264_nvenc").options(Encoding(), Fraction(RATE))
    assert pixels.stored in {each.name for each in av.Codec("h264_nvenc", "w").video_formats}
    for name in given:
        with pytest.raises(av.ArgumentError):
            open_nvenc(given | {name: "nonsense"})
    with pytest.raises(av.FFmpegError) as caught:
        open_nvenc(given)
    assert not isinstance(caught.value, av.ArgumentError)


def open_nvenc(options):
    encoder = av.CodecContext.create("h264_nvenc", "w")
    encoder.height, encoder.width, encoder.pix_fmt = 192, 256, "yuv420p"
    encoder.time_base, encoder.framerate, encoder.options = Fraction(1, 90000), Fraction(RATE), options
    encoder.open()


@pytest.mark.parametrize(
    ("pixels", "split", "colours"),
    [
        ("yuv420p", "nv12", (1, 1, 1)),
        ("yuv420p", "nv12", None),
        ("yuvj420p", "nv12", (1, 1, 1)),
        ("yuv420p10le", "p010le", (1, 1, 1)),
        ("yuv420p10le", "p010le", (9, 16, 9)),
    ],
)
@pytest.mark.parametrize("size", [(96, 128), (50, 70)])
def test_the_pixel_formats_of_nvdec_give_the_same_colours(tmp_path, pixels, split, colours, size):
    codec = "mjpeg" if pixels == "yuvj420p" else "ffv1"
    path = film(tmp_path / "a.mkv", 2, codec=codec, pixels=pixels, colours=colours)
    clip = open_video(path)
    with clip.container:
        for frame in clip.container.decode(clip.stream):
            woven = VideoReformatter().reformat(frame, format=split)
            assert woven.format.name == split
            there, here = (to_rgb_array(VideoReformatter(), one, size).copy() for one in (woven, frame))
            np.testing.assert_array_equal(there, here)


@pytest.mark.cuda
@on_nvenc
@pytest.mark.parametrize("sound", ["aac", "pcm_s16le"])
def test_a_film_of_nvenc_is_that_of_x264(tmp_path, sound):
    source = film(tmp_path / "source.mov", sound=sound)
    paths = [tmp_path / f"{encoder}.mp4" for encoder in ("x264", "nvenc")]
    for path in paths:
        how = Encoding(preset="superfast", encoder=path.stem)
        assert write(path, moving(), RATE, source, how=how) == 45
    (mine, theirs), heard = ([packets(path, "video") for path in paths], [packets(path, "audio") for path in paths])
    assert sorted(p[0] for p in mine) == sorted(p[0] for p in theirs)
    assert [p[0] for p in theirs] == [p[1] for p in theirs]  # in order, without B-frames
    assert heard[0] == heard[1]
    assert psnr(paths[1]) == pytest.approx(psnr(paths[0]), abs=PSNR_TOLERANCE)
    with av.open(str(paths[1])) as file:
        context = file.streams.video[0].codec_context
        assert context.pix_fmt == "yuv420p"
        assert (context.color_primaries, context.color_trc, context.colorspace, context.color_range) == (1, 1, 1, 1)
        assert file.duration == pytest.approx(av.open(str(paths[0])).duration, abs=1000)


@pytest.mark.cuda
@on_nvenc
def test_what_nvenc_does_not_take_auto_leaves_to_x264(tmp_path):
    assert not nvenc_works((16, 16))
    assert write(tmp_path / "a.mp4", moving(3, (16, 16)), RATE, how=Encoding(encoder="auto")) == 3


@pytest.mark.cuda
@on_nvdec
@pytest.mark.parametrize(
    ("codec", "pixels"),
    [
        ("libx264", "yuv420p"),
        ("libx264", "yuv420p10le"),  # which few GPUs decode
        ("libx265", "yuv420p"),
        ("libx265", "yuv420p10le"),
        ("libvpx-vp9", "yuv420p"),
    ],
)
def test_nvdec_decodes_the_same_frames(tmp_path, codec, pixels):
    colours = (9, 16, 9) if pixels.endswith("10le") else None
    path = film(tmp_path / "a.mkv", 20, (192, 256), codec, pixels, turn=90, colours=colours)
    clip = open_video(path, decoder="nvdec")
    with clip.container:
        assert clip.stream.codec_context.is_hwaccel
    runs = [[*read(path, decoder=decoder)] for decoder in ("software", "nvdec")]
    assert len(runs[0]) == len(runs[1]) > 1
    for here, there in zip(*runs, strict=True):
        assert torch.equal(here.seconds, there.seconds)
        assert torch.equal(here.data, there.data)
