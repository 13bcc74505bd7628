"""Files with bytes changed at random end in pictures or in one of our errors: no crash, no hang, no other error."""

import random
import subprocess
import sys
from fractions import Fraction

import pytest

from tests.support.media import FAST, RATE, film

CASES, TOGETHER = 200, 50
SEEDS = {
    "plain.mp4": {"sound": "aac"},
    "plain.mkv": {"sound": "aac"},
    "plain.ts": {"sound": "aac"},
    "old.avi": {"codec": "mpeg4", "options": {"bf": "2"}, "tick": Fraction(1, RATE)},
    "odd.webm": {"codec": "libvpx-vp9", "size": (97, 129), "sound": "libopus", "options": FAST["libvpx-vp9"]},
    "animation.gif": {"codec": "gif", "pixels": "rgb8", "tick": Fraction(1, 100)},
    "ten_bit.mp4": {"codec": "libx265", "pixels": "yuv420p10le"},
    "bare.h264": {"container": "h264"},
    "fragmented.mp4": {"sound": "aac", "muxer": {"movflags": "frag_keyframe+empty_moov"}},
    "interlaced.mp4": {"options": {"flags": "+ilme+ildct", "x264-params": "tff=1"}, "sound": "ac3"},
    "clear.mov": {"codec": "prores_ks", "pixels": "yuva444p10le", "options": {"profile": "4"}, "sound": "pcm_s16le"},
}
CHILD = """
import faulthandler, sys
from itertools import islice
from pathlib import Path
from motion_imitate.video import Limits, VideoError, probe, read, write
faulthandler.enable()
limits = Limits(pixels=4_000_000, seconds=120.0)
for path in map(Path, sys.argv[1:]):
    told = []
    try:
        probe(path, limits)
        write(path.with_suffix(".out.mp4"), islice(read(path, limits=limits, warn=told.append), 20), 30, path)
        print("fine" if not told else "told of", flush=True)
    except VideoError as error:
        print(type(error).__name__, flush=True)
    except BaseException as error:
        print("ESCAPED", repr(error), path, flush=True)
"""


def mutated(data, dice):
    """Cut off, or bytes replaced here and there, or a stretch replaced by another."""
    data = bytearray(data)
    kind = dice.random()
    if kind < 0.3:
        return data[: dice.randrange(1, len(data))]
    if kind < 0.8:
        for _ in range(dice.choice([1, 4, 30, 300])):
            data[dice.randrange(len(data))] = dice.randrange(256)
        return data
    start = dice.randrange(len(data))
    data[start : start + dice.randrange(1, 4000)] = dice.randbytes(dice.randrange(4000))
    return data


@pytest.fixture(scope="module")
def cases(tmp_path_factory):
    folder = tmp_path_factory.mktemp("fuzz")
    whole = {name: film(folder / name, count=24, **how).read_bytes() for name, how in SEEDS.items()}
    dice = random.Random(7)
    paths = []
    for case in range(CASES):
        name = dice.choice(list(SEEDS))
        paths.append(folder / f"{case}_{name}")
        paths[-1].write_bytes(mutated(whole[name], dice))
    return paths


@pytest.mark.parametrize("start", [0, 50, *(pytest.param(case, marks=pytest.mark.slow) for case in (100, 150))])
def test_nothing_escapes(cases, start):
    some = cases[start : start + TOGETHER]
    child = subprocess.run([sys.executable, "-c", CHILD, *some], capture_output=True, text=True, timeout=120)
    outcomes = child.stdout.splitlines()
    assert child.returncode == 0, (some[len(outcomes)], child.stderr[-2000:])
    assert len(outcomes) == len(some)
    assert not [line for line in outcomes if line.startswith("ESCAPED")]
    assert len(set(outcomes)) > 2
    assert not list(some[0].parent.glob(".*.part"))
