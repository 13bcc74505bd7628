"""What is written is whole, in time and in step with its sound, or not there at all."""

import errno
import os
import signal
import subprocess
import sys
from contextlib import suppress
from dataclasses import replace
from fractions import Fraction
from itertools import islice
from pathlib import Path

import av
import cv2
import numpy as np
import pytest
import torch

from motion_imitate.types import Frames
from motion_imitate.video import Encoding, NoFrames, NotAVideo, OutputError, SoundPause, VideoError, probe, read, write
from tests.support.media import (
    BEEP,
    RATE,
    SOUNDS,
    UPRIGHT,
    beep,
    corners,
    cut,
    film,
    heard,
    number,
    picture,
    scattered,
    watched,
)

OLD = b"what stood here before"


def frames(count=60, size=(96, 128), at=lambda i: i / RATE, run=16, first=0):
    """Runs of numbered pictures."""
    for start in range(0, count, run):
        numbers = range(start, min(start + run, count))
        data = torch.from_numpy(np.stack([picture(first + i, size) for i in numbers])).permute(0, 3, 1, 2)
        yield Frames(data, torch.tensor([at(i) for i in numbers], dtype=torch.float64))


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("films")


@pytest.fixture
def target(tmp_path):
    """A place to write to that is not empty, in a folder with nothing else."""
    path = tmp_path / "out.mp4"
    path.write_bytes(OLD)
    return path


def untouched(path):
    return path.read_bytes() == OLD and list(path.parent.iterdir()) == [path]


def test_frames_in_are_frames_out(target):
    assert write(target, frames(), RATE, tags={"comment": "made up", "maker": "nobody"}) == 60
    out = watched(target)
    assert [number(image) for _, image in out] == list(range(60))
    assert corners(out[30][1]) == UPRIGHT
    np.testing.assert_allclose([time for time, _ in out], np.arange(60) / RATE, atol=1e-4)
    assert probe(target).duration == pytest.approx(2, abs=1e-3)
    assert probe(target).frames == 60
    assert probe(target).rate == RATE
    with av.open(str(target)) as file:
        context = file.streams.video[0].codec_context
        assert (context.color_primaries, context.color_trc, context.colorspace, context.color_range) == (1, 1, 1, 1)
        assert context.pix_fmt == "yuv420p"
        assert file.metadata["comment"] == "made up"
        assert file.metadata["maker"] == "nobody"
        assert file.duration == pytest.approx(2_000_000, abs=1000)
    assert list(target.parent.iterdir()) == [target]


def test_another_decoder_sees_the_same(target):
    write(target, frames(), RATE)
    capture = cv2.VideoCapture(str(target))
    for _, image in watched(target):
        ok, theirs = capture.read()
        assert ok
        assert np.abs(theirs[..., ::-1].astype(int) - image).mean() < 2
    assert not capture.read()[0]


def test_colours_come_back(target):
    write(target, frames(5), RATE, how=Encoding(crf=1))
    image = next(read(target)).data[2].permute(1, 2, 0).numpy().astype(int)
    assert np.abs(image[:20, :28] - picture(2)[:20, :28]).max() <= 4
    assert np.abs(image[-20:, :28] - picture(2)[-20:, :28]).max() <= 4


def test_the_same_frames_make_the_same_file(target):
    other = target.with_name("other.mp4")
    write(target, frames(), RATE)
    write(other, frames(run=7), RATE)
    assert [image.tobytes() for _, image in watched(target)] == [image.tobytes() for _, image in watched(other)]


@pytest.mark.parametrize("size", [(97, 129), (96, 129), (97, 128), (1, 1), (2, 2)])
def test_odd_sides_are_padded_by_their_edge(target, size):
    assert write(target, frames(5, size), RATE, how=Encoding(crf=1)) == 5
    height, width = size
    image = watched(target)[0][1].astype(int)
    assert image.shape == (height + height % 2, width + width % 2, 3)
    assert np.abs(image[:height, :width][-1, -1] - image[-1, -1]).max() <= 8


def test_any_layout_of_the_same_frames(target):
    """Contiguous along its own axes, or a view of [T, H, W, 3]."""
    straight = [replace(run, data=run.data.contiguous()) for run in frames(5)]
    write(target, straight, RATE)
    assert [number(image) for _, image in watched(target)] == list(range(5))


@pytest.mark.parametrize("at", [lambda i: i / 30 + (i // 7) / 11, lambda i: 5 + i / 30, lambda i: -1 + i / 30])
def test_times_are_kept_from_the_first_frame_on(target, at):
    write(target, frames(at=at), RATE)
    seconds = torch.cat([run.seconds for run in read(target)]).numpy()
    np.testing.assert_allclose(seconds, [at(i) - at(0) for i in range(60)], atol=1e-4)
    assert watched(target)[0][0] == 0


@pytest.mark.parametrize("times", [[0, 2, 1], [0, 1, 1], [0, 0, 0], [0, -1, -2], [3, 1, 2]])
def test_times_that_go_back_lose_no_frame(target, times):
    assert write(target, frames(3, at=lambda i: times[i] / RATE), RATE) == 3
    out = watched(target)
    assert [number(image) for _, image in out] == [0, 1, 2]
    assert (np.diff([time for time, _ in out]) > 0).all()


def test_a_copy_is_as_long_and_on_time(folder, target):
    """Through reading and writing, with pictures at odd times."""
    source = film(folder / "varying.mp4", at=lambda i: i / 30 + (i // 7) / 11, sound="aac")
    assert write(target, read(source), probe(source).rate, source) == 60
    theirs, mine = watched(source), watched(target)
    np.testing.assert_allclose([t for t, _ in mine], [t - theirs[0][0] for t, _ in theirs], atol=1e-4)
    assert abs(probe(target).duration - probe(source).duration) < 1 / RATE


def late(path):
    """How many seconds after its picture the beep sets in."""
    return beep(path) - watched(path)[int(BEEP * RATE)][0]


def tails(path):
    """The ends of the packets of sound; their heads differ between containers."""
    with av.open(str(path)) as file:
        return {bytes(packet)[-6:] for packet in file.demux(audio=0) if packet.size}


@pytest.mark.parametrize("name", SOUNDS)
def test_sound_stays_in_step(folder, target, name):
    """The beep of the source sets in with picture 30, however late its clock starts."""
    how, codec = SOUNDS[name]
    source = film(folder / name, **how)
    warnings = []
    assert write(target, read(source), RATE, source, warn=warnings.append) == 60
    assert not warnings
    assert probe(target).sound == codec
    assert (tails(target) <= tails(source)) == (probe(source).sound == codec)  # copied, not coded anew
    out = watched(target)
    assert out[0][0] == pytest.approx(0, abs=1e-3)
    assert abs(late(target) - late(source)) < 0.02
    _, times = heard(target)
    assert abs(times[0] - out[0][0]) < 0.022
    assert abs(times[-1] - 2) < 0.03
    assert abs(probe(target).duration - 2) < 1 / RATE


def test_sound_of_a_later_start(folder, target):
    """Frames from half a second on bring the sound from there on."""
    source = film(folder / "later.mp4", sound="aac")
    later = (run[run.seconds >= 0.5] for run in read(source))
    assert write(target, later, RATE, source) == 45
    assert abs(beep(target) - (BEEP - 0.5)) < 0.02


@pytest.mark.parametrize("name", ["later.mp4", "later.mkv"])
@pytest.mark.parametrize(("second", "later"), [(0.5, 0.7), (1.5, 0.0)])
def test_sound_waits_during_a_pause(folder, target, name, second, later):
    source = film(folder / name, sound="aac")
    moved = (run if run.seconds[0] < second else replace(run, seconds=run.seconds + 0.7) for run in read(source, run=5))
    assert write(target, moved, RATE, source, pause=SoundPause(second, 0.7)) == 60
    assert abs(beep(target) - (BEEP + later)) < 0.03
    levels, times = heard(target)
    assert levels[(times > second + 0.06) & (times < second + 0.64)].max() < 0.05
    assert levels[(times > max(second, BEEP) + 0.76) & (times < 2.6)].max() > 0.3


@pytest.mark.parametrize("sound", ["aac", "mp2"])
def test_sound_stays_in_step_where_the_clock_leaps(folder, target, sound):
    parts = [film(folder / f"{sound}{i}.ts", sound=sound, begin=begin) for i, begin in enumerate((2, 100, 5))]
    source = folder / f"{sound}_leaps.ts"
    source.write_bytes(b"".join(part.read_bytes() for part in parts))
    assert write(target, read(source), RATE, source) == 180
    levels, times = heard(target)
    out = watched(target)
    loud = times[levels > 0.3]
    onsets = loud[np.flatnonzero(np.diff(loud, prepend=-1) > 0.5)]
    assert len(onsets) == 3
    np.testing.assert_allclose(onsets - [out[i][0] for i in (30, 90, 150)], [late(part) for part in parts], atol=0.02)


@pytest.mark.parametrize("sound", ["aac", "ac3"])
@pytest.mark.parametrize("seconds", [0.3, 1.2, 30])
def test_sound_of_another_length(folder, target, sound, seconds):
    source = film(folder / f"{sound}_{seconds}.mkv", sound=sound, seconds=seconds)
    assert write(target, read(source), RATE, source) == 60
    assert len(watched(target)) == 60
    _, times = heard(target)
    assert abs(times[-1] - min(seconds, 2)) < 0.06
    assert abs(probe(target).duration - 2) < 1 / RATE


def test_no_sound_to_take(folder, target):
    source = film(folder / "mute.mp4")
    assert write(target, read(source), RATE, source) == 60
    assert probe(target).sound is None


@pytest.mark.parametrize("sound", ["aac", "ac3", "flac", "libopus", "libmp3lame"])
def test_broken_sound_never_fails_the_video(folder, target, sound):
    whole = film(folder / f"whole_{sound}.mkv", sound=sound)
    for seed in range(6):
        source = scattered(folder / f"{sound}_{seed}.mkv", whole, 60, after=0.2, seed=seed)
        assert write(target, frames(), RATE, source) == 60
        assert [number(image) for _, image in watched(target)] == list(range(60))


@pytest.mark.parametrize(("sound", "suffix"), [("aac", "ts"), ("libopus", "mkv"), ("vorbis", "mkv")])
def test_sound_with_a_broken_head_never_fails_the_video(folder, target, sound, suffix):
    """Some heads the muxer refuses only when the file begins."""
    whole = film(folder / f"head_{sound}.{suffix}", sound=sound)
    written = 0
    for seed in range(30):
        source = scattered(folder / f"{sound}_{seed}.{suffix}", whole, 20, after=0.002, until=0.3, seed=seed)
        with suppress(NotAVideo):  # where it is the container that broke
            written += write(target, frames(3), RATE, source)
    assert written >= 60


def test_cut_off_sound_ends_early(folder, target):
    source = cut(folder / "cut.ts", film(folder / "to_cut.ts", sound="aac"), 0.7)
    assert write(target, frames(), RATE, source) == 60
    assert len(watched(target)) == 60
    assert 1 < heard(target)[1][-1] < 2


def test_a_sound_file_that_is_none(folder, target):
    with pytest.raises(NotAVideo, match="No such file"):
        write(target, frames(), RATE, folder / "nowhere.mp4")
    assert untouched(target)


def failing(error):
    yield from islice(frames(), 3)
    raise error


@pytest.mark.parametrize(
    "error",
    [ValueError("x"), OSError(5, "x"), VideoError("x"), KeyboardInterrupt(), GeneratorExit(), SystemExit(3)],
    ids=repr,
)
def test_whatever_goes_wrong_nothing_is_left(folder, target, error):
    source = film(folder / "sounding.mp4", sound="aac")
    with pytest.raises(type(error)) as caught:
        write(target, failing(error), RATE, source)
    assert caught.value is error
    assert untouched(target)


def test_no_frames(target):
    with pytest.raises(NoFrames, match="at least one"):
        write(target, iter(()), RATE)
    assert untouched(target)


def test_frames_of_two_sizes(target):
    mixed = [*frames(20), *frames(20, size=(64, 64))]
    with pytest.raises(OutputError, match=r"64x64 was given for .* after frames of 128x96"):
        write(target, mixed, RATE)
    assert untouched(target)


def test_the_old_file_stays_until_the_last_frame(target):
    def looking():
        for run in frames():
            yield run
            assert target.read_bytes() == OLD

    write(target, looking(), RATE)
    assert target.read_bytes() != OLD


def test_places_that_cannot_be_written(folder, target, tmp_path):
    source = film(folder / "input.mp4")
    pipe = tmp_path / "pipe.mp4"
    before = source.read_bytes()
    for path, word in (
        (tmp_path, "is a folder"),
        (tmp_path / "nowhere" / "out.mp4", "No such file"),
        (target / "out.mp4", "Not a directory"),
        (Path("/proc/out.mp4"), "cannot be written"),
        (tmp_path / ("x" * 250 + ".mp4"), "too long"),
        (source, "also the input"),
    ):
        with pytest.raises(OutputError, match=word):
            write(path, read(source), RATE, source)
    assert untouched(target)
    assert source.read_bytes() == before
    os.mkfifo(pipe)
    with pytest.raises(OutputError, match="not a regular file"):
        write(pipe, frames(), RATE)


def noise(count):
    """Which does not compress."""
    random = np.random.default_rng(0)
    for i in range(count):
        data = random.integers(0, 256, (1, 96, 128, 3), np.uint8)
        yield Frames(torch.from_numpy(data).permute(0, 3, 1, 2), torch.tensor([i / RATE], dtype=torch.float64))


def test_a_full_disk(tmp_path):
    disk = tmp_path / "disk"
    disk.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=700k", "none", disk], capture_output=True).returncode:
        pytest.skip("no right to mount a small disk")
    try:
        (disk / "out.mp4").write_bytes(OLD)
        with pytest.raises(OutputError, match="No space left"):
            write(disk / "out.mp4", noise(300), RATE)
        assert untouched(disk / "out.mp4")
    finally:
        subprocess.run(["umount", disk], check=True)


def test_a_file_that_may_not_grow(target):
    """As on a full disk, where none can be mounted."""
    code = (
        "import resource, signal, sys; sys.path.insert(0, sys.argv[2]); from pathlib import Path\n"
        "from test_writing import *\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (500_000, 500_000))\n"
        "try: write(Path(sys.argv[1]), noise(300), RATE)\n"
        "except OutputError as error: print(error.__cause__.errno)\n"
    )
    told = subprocess.run(
        [sys.executable, "-c", code, target, Path(__file__).parent], capture_output=True, text=True, check=True
    )
    assert int(told.stdout) == errno.EFBIG
    assert untouched(target)


def test_a_killed_writer_leaves_what_can_be_played(target):
    """Killed while it waits for the next frame; the next attempt clears its remains away."""
    code = (
        "import sys, time; sys.path.insert(0, sys.argv[2]); from pathlib import Path\n"
        "from test_writing import *\n"
        "def waiting():\n"
        "    yield from frames(240)\n"
        "    print('waiting', flush=True)\n"
        "    time.sleep(60)\n"
        "write(Path(sys.argv[1]), waiting(), RATE)\n"
    )
    arguments = [sys.executable, "-c", code, target, Path(__file__).parent]
    with subprocess.Popen(arguments, stdout=subprocess.PIPE, text=True) as child:
        assert child.stdout.readline() == "waiting\n"
        child.send_signal(signal.SIGKILL)
    (part,) = set(target.parent.iterdir()) - {target}
    assert target.read_bytes() == OLD
    assert part.name.startswith(f".out.mp4.{child.pid}")
    numbers = [number(image) for _, image in watched(part)]
    assert 120 <= len(numbers) <= 240
    assert numbers == list(range(len(numbers)))
    theirs = part.with_name(f".other.mp4.{child.pid}-1.part")
    theirs.touch()  # of another file: not ours to remove
    alive = part.with_name(f".out.mp4.{os.getppid()}-1.part")
    alive.touch()  # of a process that lives
    write(target, frames(3), RATE)
    assert set(target.parent.iterdir()) == {target, theirs, alive}


def test_frames_are_asked_for_one_run_at_a_time(target):
    """The writer draws; it never runs ahead."""
    asked = []

    def counting():
        for i, run in enumerate(frames(run=4)):
            asked.append(i)
            yield run

    class Enough(Exception):
        pass

    def stopping():
        for i, run in enumerate(counting()):
            if i == 3:
                raise Enough
            yield run

    with suppress(Enough):
        write(target, stopping(), Fraction(RATE))
    assert asked == [0, 1, 2, 3]
