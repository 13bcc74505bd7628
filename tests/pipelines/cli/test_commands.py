"""The command line as a user meets it: codes, sentences, files. Most run in this process, by `main`."""

import io
import json
import os
import signal
import subprocess
import sys
import tarfile
import time
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from motion_imitate import weights
from motion_imitate.video import probe, read
from pipelines.cli.commands import main
from pipelines.cli.guard import run_guarded
from pipelines.errors import classify_error
from pipelines.motion import commands as motion
from pipelines.motion.options import EstimationOptions
from pipelines.reporter import Reporter
from tests.support import ROOT
from tests.support.media import covered, cut, film, voice_only
from tests.support.standing import store

COMMAND = [sys.executable, "-m", "pipelines.cli"]
HEAVY = ("torch", "av", "numba", "cv2", "numpy", "ai_edge_litert", "kornia")


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """Films, good and bad, and a motion; not to be written to."""
    return tmp_path_factory.mktemp("made")


@pytest.fixture(scope="module")
def clip(made):
    return film(made / "clip.mp4", count=12, sound="aac")


@pytest.fixture(scope="module")
def stored(made):
    return store(made / "standing.npz", 12)


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """Where the results go, and nothing else."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def ask(capsys, *words):
    """Exit code, stdout, and stderr without progress."""
    code = main([str(word) for word in words])
    said = capsys.readouterr()
    return code, said.out, [line for line in said.err.splitlines() if not line.startswith('{"progress"')]


def refused(capsys, code, *words):
    """The one sentence of a command that ends with `code`."""
    got, out, err = ask(capsys, *words)
    assert (got, out) == (code, ""), err
    assert len(err) == 1, err
    assert err[0].startswith("motion-imitate: ")
    assert "Traceback" not in err[0]
    return err[0]


@pytest.mark.parametrize("words", [["--help"], ["motion", "extract", "--help"], ["--version"], ["no", "such"]])
def test_nothing_heavy_is_imported_to_show_help_or_refuse_words(words):
    run = f"from pipelines.cli.commands import main; main({words})"
    look = f"import sys; {run}; print([n for n in {HEAVY} if n in sys.modules])"
    seen = subprocess.run([sys.executable, "-c", look], capture_output=True, text=True, cwd=ROOT, timeout=60)
    assert seen.stdout.splitlines()[-1] == "[]"


def test_help_names_every_command(capsys):
    code, out, _ = ask(capsys, "--help")
    assert code == 0
    assert all(name in out for name in ("motion", "info", "weights", "doctor", "convert", "demo"))


@pytest.mark.parametrize(
    ("words", "hint"),
    [
        (["motion", "extract", "a.mp4", "-o", "a.npz", "--qualty", "best"], "Did you mean --quality"),
        (["motion", "extract", "a.mp4", "-o", "a.npz", "--quality", "bets"], "best"),
        (["motion", "extract", "a.mp4", "-o", "a.npz", "--person", "bob"], "left"),
        (["motion", "extract", "a.mp4", "-o", "a.npz", "--person", "0"], "counted from 1"),
        (["motion", "extract", "a.mp4", "-o", "a.npz", "--size", "5"], "64"),
        (["motion", "extract", "a.mp4", "-o", "a.npz", "--workers", "0"], "1"),
        (["motion", "extract", "a.mp4"], "--output"),
        (["motion", "extrct", "a.mp4"], "extract"),
        (["dance"], "motion"),
        (["info"], "--file"),
        (["info", "a.mp4", "--config", "none.toml"], "none.toml"),
    ],
)
def test_words_that_are_not_understood_are_answered_with_those_that_are(capsys, folder, words, hint):
    assert hint in refused(capsys, 2, *words)


OUTPUTS = {  # what is wrong with a result's name: (name, hint)
    "a folder": ("sub", "is a folder"),
    "the wrong kind": ("result.avi", "must end in"),
    "there already": ("there", "-y"),
    "in no folder": ("none/result", "no folder"),
    "in a folder that takes no files": ("/proc/result", "choose another folder"),
}


@pytest.mark.parametrize("wrong", OUTPUTS)
@pytest.mark.parametrize(("job", "suffix"), [("extract", ".npz"), ("overlay", ".mp4")])
def test_a_result_that_cannot_be_written_is_refused_before_the_clip_is_touched(capsys, folder, wrong, job, suffix):
    name, hint = OUTPUTS[wrong]
    if name.startswith("/proc") and not Path("/proc/self").exists():
        pytest.skip("only Linux has a folder that even root cannot write to")
    (folder / "sub").mkdir()
    (folder / f"there{suffix}").write_text("precious")
    out = name if Path(name).suffix or name == "sub" else name + suffix
    assert hint in refused(capsys, 2, "motion", job, "no such clip.mp4", "-o", out)
    assert (folder / f"there{suffix}").read_text() == "precious"
    assert sorted(os.listdir(folder)) == ["sub", f"there{suffix}"]


def test_the_input_is_never_the_output(capsys, folder, clip):
    own = folder / "own.mp4"
    own.write_bytes(clip.read_bytes())
    (folder / "link.mp4").symlink_to(own)
    for out in (own, folder / "link.mp4", "../" + folder.name + "/own.mp4"):
        assert "also the input" in refused(capsys, 2, "motion", "overlay", own, "-o", out, "-y")
    assert own.read_bytes() == clip.read_bytes()


def bad_clips(made):
    """By what is wrong with them."""
    png = bytes.fromhex("89504e470d0a1a0a0000000d4948445200000001000000010802000000907753de")
    texts = {
        "empty": b"",
        "text": b"hello\n" * 100,
        "page": b"<!doctype html><title>404</title>",
        "noise": bytes((i * i * 31 + i * 7) % 251 for i in range(5000)),
        "picture": png,
        "playlist": b"ffconcat version 1.0\nfile clip.mp4\n",
        "stream list": b"#EXTM3U\n#EXTINF:1,\nhttp://127.0.0.1:9/x.ts\n",
    }
    for name, data in texts.items():
        (made / f"{name}.mp4").write_bytes(data)
    (made / "folder.mp4").mkdir(exist_ok=True)
    (made / "dangling.mp4").unlink(missing_ok=True)
    (made / "dangling.mp4").symlink_to("nowhere.mp4")
    if not (made / "pipe.mp4").exists():
        os.mkfifo(made / "pipe.mp4")
    whole = film(made / "whole.mp4", count=12)
    cut(made / "cut.mp4", whole, 0.5)
    covered(made / "cover.m4a", "aac")
    voice_only(made / "sound.mp4", "aac")
    names = [*texts, "folder", "dangling", "pipe", "cut", "sound", "missing"]
    return {name: made / f"{name}.mp4" for name in names} | {"cover": made / "cover.m4a"}


@pytest.mark.parametrize("job", ["extract", "overlay", "replay", "info"])
def test_what_is_no_clip_is_refused_in_a_sentence_that_names_it(capsys, folder, made, stored, job):
    jobs = {
        "extract": ["motion", "extract", "-o", "out.npz"],
        "overlay": ["motion", "overlay", "-o", "out.mp4"],
        "replay": ["motion", "overlay", "-o", "out.mp4", "--motion", stored],
        "info": ["info"],
    }
    for name, path in bad_clips(made).items():
        assert str(path) in refused(capsys, 3, *jobs[job], path), name
        assert os.listdir(folder) == [], name


def test_what_is_no_motion_is_refused(capsys, folder, clip, stored):
    (folder / "cut.npz").write_bytes(stored.read_bytes()[:2000])
    (folder / "text.npz").write_text("hello")
    for name in ("cut.npz", "text.npz", "none.npz"):
        assert name in refused(capsys, 3, "motion", "show", name)
        assert name in refused(capsys, 3, "motion", "export", name, "--to", "bvh", "-o", "out.bvh")
        assert name in refused(capsys, 3, "motion", "overlay", clip, "--motion", name, "-o", "out.mp4")
    assert sorted(os.listdir(folder)) == ["cut.npz", "text.npz"]


def test_weights_that_are_missing_have_their_own_code(capsys, folder, clip, monkeypatch):
    monkeypatch.setattr(weights, "ASSET_FOLDERS", (folder,))
    assert "no asset" in refused(capsys, 4, "motion", "extract", clip, "-o", "out.npz")
    monkeypatch.setenv("MOTION_IMITATE_HOME", str(folder))
    sentence = refused(capsys, 4, "motion", "extract", clip, "-o", "out.npz", "--body", "smpl")
    assert "motion-imitate convert smpl" in sentence
    assert os.listdir(folder) == []


def test_a_package_that_is_missing_is_named_with_how_to_get_it(capsys, folder, monkeypatch):
    monkeypatch.setitem(sys.modules, "anny", None)
    assert "motion-imitate[bake]" in refused(capsys, 4, "convert", "anny", "-o", "anny.safetensors")


def test_a_device_that_is_not_there_is_a_matter_of_words(capsys, folder, clip):
    for name in ("mps" if sys.platform != "darwin" else "xpu", "abacus"):
        assert "choose cpu" in refused(capsys, 2, "motion", "extract", clip, "-o", "out.npz", "--device", name)


def test_a_motion_is_drawn_over_every_frame_and_the_sound_is_kept(capsys, folder, clip, stored):
    code, out, _ = ask(capsys, "motion", "overlay", clip, "--motion", stored, "-o", "out.mp4", "--json")
    report = json.loads(out)
    assert (code, report["frames"], report["output"]) == (0, 12, "out.mp4")
    before = [run for run in read(clip)]
    after = [run for run in read(folder / "out.mp4")]
    assert sum(map(len, after)) == 12
    assert after[0].seconds.tolist() == pytest.approx(before[0].seconds.tolist(), abs=1e-3)
    assert probe(folder / "out.mp4").sound == "aac"
    changed = (after[0].data.float() - before[0].data.float()).abs().mean((0, 1))
    assert changed[40:60, 60:68].mean() > 20  # the body stands in the middle
    assert changed[10:60, 5:20].mean() < 5  # and not at the side
    assert os.listdir(folder) == ["out.mp4"]


def test_a_result_is_replaced_only_if_asked(capsys, folder, clip, stored):
    first = ["motion", "overlay", clip, "--motion", stored, "-o", "out.mp4"]
    assert ask(capsys, *first)[0] == 0
    before = (folder / "out.mp4").read_bytes()
    assert "-y" in refused(capsys, 2, *first)
    assert "-y" in refused(capsys, 2, *first, "-n")
    assert (folder / "out.mp4").read_bytes() == before
    assert ask(capsys, *first, "--size", 64, "-y")[0] == 0
    assert probe(folder / "out.mp4").width == 64


@pytest.mark.parametrize(("to", "name", "start"), [("bvh", "out.bvh", b"HIERARCHY"), ("gltf", "out.glb", b"glTF")])
def test_a_motion_is_exported(capsys, folder, stored, to, name, start):
    code, out, _ = ask(capsys, "motion", "export", stored, "--to", to, "-o", name)
    assert (code, out) == (0, f"{name}: 12 frames\n")
    assert (folder / name).read_bytes().startswith(start)


def test_a_motion_is_shown_to_people_and_to_machines(capsys, stored):
    for words in (["motion", "show", stored], ["info", stored]):
        assert "standing" in ask(capsys, *words)[1]
        shown = json.loads(ask(capsys, *words, "--json")[1])
        assert (shown["frames"], shown["body"], shown["width"], shown["seen"]) == (12, "anny", 128, 1.0)


def test_errors_are_json_where_results_are(capsys, folder):
    code, out, err = ask(capsys, "motion", "show", "none.npz", "--json")
    assert (code, out) == (3, "")
    assert json.loads(err[0])["code"] == 3


def test_a_motion_of_another_clip_is_drawn_with_a_warning(capsys, folder, clip, made):
    store(folder / "longer.npz", 60)
    command = ["motion", "overlay", clip, "--motion", "longer.npz", "-o", "out.mp4"]
    assert "check that it is this clip's" in ask(capsys, *command)[2][0]
    assert ask(capsys, *command, "-y", "--quiet")[2] == []


@pytest.fixture
def wished(monkeypatch):
    """What `motion extract` is called with, instead of the call."""
    calls = []
    monkeypatch.setattr(motion, "extract_motion", lambda *given: calls.append(given))
    return calls


def test_the_command_line_goes_before_the_environment_and_that_before_the_file(folder, wished, monkeypatch):
    (folder / "mine.toml").write_text(
        '[motion.extract]\nquality = "best"\nperson = 2\nsize = 640\n[motion.overlay]\nquality = "fast"\n'
    )
    monkeypatch.setenv("MOTION_IMITATE_QUALITY", "fast")
    monkeypatch.setenv("MOTION_IMITATE_PERSON", "left")
    monkeypatch.setenv("MOTION_IMITATE_HOME", "somewhere")  # means something else
    command = ["motion", "extract", "a.mp4", "-o", "a.npz", "--config", "mine.toml"]
    assert main([*command, "--person", "right"]) == 0
    assert wished[-1][2] == EstimationOptions(quality="fast", person="right", size=640)
    monkeypatch.delenv("MOTION_IMITATE_QUALITY")
    monkeypatch.delenv("MOTION_IMITATE_PERSON")
    assert main(command) == 0
    assert wished[-1][2] == EstimationOptions(quality="best", person=2, size=640)


@pytest.mark.parametrize("text", ['qualty = "best"', 'quality = "bets"', "size = 5", "quality = "])
def test_a_file_of_options_is_checked_as_the_command_line_is(capsys, folder, wished, text):
    (folder / "mine.toml").write_text(f"[motion.extract]\n{text}\n")
    refused(capsys, 2, "motion", "extract", "a.mp4", "-o", "a.npz", "--config", "mine.toml")
    assert wished == []


def test_names_that_look_like_options_or_addresses_are_names(capsys, folder):
    for name in ("a:b.mp4", "%03d.mp4", "wéird '\"; $(x).mp4"):
        film(folder / name, count=2)
        assert json.loads(ask(capsys, "info", name, "--json")[1])["kind"] == "clip"
    film(folder / "-x.mp4", count=2)
    assert json.loads(ask(capsys, "--json", "info", "--", "-x.mp4")[1])["kind"] == "clip"


@pytest.mark.parametrize("how", [pytest.param(signal.SIGINT, marks=pytest.mark.slow), signal.SIGTERM])
def test_who_is_told_to_end_leaves_nothing_half_done(tmp_path, how):
    clip, stored = film(tmp_path / "long.mp4", count=900), store(tmp_path / "long.npz", 900)
    out = tmp_path / "results" / "out.mp4"
    out.parent.mkdir()
    out.write_text("precious")
    words = ["motion", "overlay", clip, "--motion", stored, "-o", out, "-y"]
    job = subprocess.Popen([*COMMAND, *map(str, words)], cwd=ROOT, stderr=subprocess.PIPE, text=True)
    begun = time.monotonic()
    while not any(part.stat().st_size for part in out.parent.glob(".*.part")):
        assert job.poll() is None, job.stderr.read()
        assert time.monotonic() - begun < 60
        time.sleep(0.05)
    job.send_signal(how)
    said = job.communicate(timeout=30)[1]
    assert job.returncode == 130
    assert "Traceback" not in said
    assert "interrupted" in said.splitlines()[-1]
    assert os.listdir(out.parent) == ["out.mp4"]
    assert out.read_text() == "precious"


def test_whoever_reads_the_results_may_stop_reading():
    job = f"{sys.executable} -m pipelines.cli weights --json | true; echo ${{PIPESTATUS[0]}}"
    seen = subprocess.run(["bash", "-c", job], capture_output=True, text=True, cwd=ROOT, timeout=60)
    assert (seen.stdout, seen.stderr) == ("0\n", "")


def test_a_fault_of_the_program_says_so_and_shows_where_only_if_asked(capsys):
    def faulty():
        raise KeyError("no such thing")

    assert run_guarded(Reporter(), faulty) == 1
    said = capsys.readouterr().err
    assert "--debug" in said
    assert "Traceback" not in said
    assert run_guarded(Reporter(debug=True), faulty) == 1
    assert "Traceback" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("text", "hint"),
    [
        ("json = true", "'json' at the top"),
        ("[motio.extract]\nsize = 640", "'motio' at the top"),
        ("[motion.extract\n", "not a TOML file"),
        ("# caf\xe9", "not a TOML file"),
    ],
)
def test_a_file_of_options_that_is_wrong_as_a_whole_is_named(capsys, folder, stored, text, hint):
    (folder / "mine.toml").write_bytes(text.encode("latin1"))
    said = refused(capsys, 2, "motion", "show", stored, "--config", "mine.toml")
    assert "mine.toml" in said
    assert hint in said


def test_how_to_talk_comes_from_the_environment_too(capsys, stored, monkeypatch):
    monkeypatch.setenv("MOTION_IMITATE_JSON", "1")
    assert json.loads(ask(capsys, "motion", "show", stored)[1])["kind"] == "motion"


def test_what_else_lies_in_the_folder_is_left_alone(capsys, folder, stored):
    for name in ("standing.bvh.part", ".standing.bvh.part"):
        (folder / name).write_text("precious")
    assert ask(capsys, "motion", "export", stored, "--to", "bvh", "-o", "standing.bvh")[0] == 0
    assert sorted(os.listdir(folder)) == [".standing.bvh.part", "standing.bvh", "standing.bvh.part"]
    assert (folder / "standing.bvh.part").read_text() == "precious"


def package(path, files):
    with tarfile.open(path, "w:gz") as archive:
        for name, data in files.items():
            member = tarfile.TarInfo(f"package/{name}")
            member.size = len(data)
            archive.addfile(member, io.BytesIO(data))
    return path


def test_networks_are_taken_out_of_their_package_and_replace_nothing_unasked(capsys, folder):
    given = package(folder / "pose.tgz", {"pose_landmark_lite.tflite": b"a network"})
    (folder / "nets").mkdir()
    command = ["convert", "networks", given, "-o", "nets"]
    told = json.loads(ask(capsys, *command, "--json")[1])
    assert (folder / "nets/pose_lite.tflite").read_bytes() == b"a network"
    assert told["sha256"] == {"pose_lite.tflite": weights.file_sha256(folder / "nets/pose_lite.tflite")}
    (folder / "nets/pose_lite.tflite").write_text("mine")
    assert "-y" in refused(capsys, 2, *command)
    assert (folder / "nets/pose_lite.tflite").read_text() == "mine"
    assert ask(capsys, *command, "-y")[0] == 0


def test_packages_without_networks_are_refused(capsys, folder):
    (folder / "nets").mkdir()
    (folder / "text.tgz").write_text("no package")
    empty = package(folder / "empty.tgz", {"README.md": b"nothing"})
    assert "empty.tgz" in refused(capsys, 3, "convert", "networks", empty, "-o", "nets")
    assert "text.tgz" in refused(capsys, 3, "convert", "networks", "text.tgz", "-o", "nets")
    assert "no folder" in refused(capsys, 2, "convert", "networks", empty, "-o", "elsewhere")
    assert os.listdir(folder / "nets") == []


def test_a_picture_is_no_clip(capsys, folder):
    cv2.imwrite("one.png", np.zeros((8, 8, 3), np.uint8))
    Path("one.png").rename("one.mp4")
    assert "is an image" in refused(capsys, 3, "motion", "extract", "one.mp4", "-o", "one.npz")


def test_a_home_that_is_a_file_is_a_matter_of_words(capsys, folder, monkeypatch):
    (folder / "home").write_text("")
    (folder / "SMPL_NEUTRAL.pkl").write_text("")
    monkeypatch.setenv("MOTION_IMITATE_HOME", str(folder / "home"))
    assert "MOTION_IMITATE_HOME" in refused(capsys, 2, "convert", "smpl", "SMPL_NEUTRAL.pkl")


def test_a_file_of_smpl_that_is_not_there_makes_no_home(capsys, folder, monkeypatch):
    monkeypatch.setenv("MOTION_IMITATE_HOME", str(folder / "home"))
    assert "no file" in refused(capsys, 3, "convert", "smpl", "SMPL_NEUTRAL.pkl")
    assert os.listdir(folder) == []


def test_an_estimator_and_its_weights_go_together(capsys, folder, clip):
    extract = ("motion", "extract", clip, "-o", "out.npz")
    assert "--estimator-weights FILE" in refused(capsys, 2, *extract, "--estimator", "hmr")
    assert "--estimator hmr" in refused(capsys, 2, *extract, "--estimator-weights", "a.safetensors")
    hmr = (*extract, "--estimator", "hmr", "--estimator-weights", "a.safetensors")
    assert "no weights at a.safetensors" in refused(capsys, 4, *hmr)
    weights.write_weights(Path("a.safetensors"), {"model": "lifter"}, {"x": torch.zeros(1)})
    assert "convert hmr" in refused(capsys, 3, *hmr)
    assert os.listdir(folder) == ["a.safetensors"]


def test_a_checkpoint_that_is_none_is_refused(capsys, folder):
    assert "no file a.pt" in refused(capsys, 3, "convert", "hmr", "a.pt", "-o", "b.safetensors")
    Path("a.pt").write_bytes(b"not a checkpoint")
    assert "a.pt holds no plain tensors" in refused(capsys, 3, "convert", "hmr", "a.pt", "-o", "b.safetensors")
    assert ".safetensors" in refused(capsys, 2, "convert", "hmr", "a.pt", "-o", "b.npz")
    assert os.listdir(folder) == ["a.pt"]


def test_a_full_disk_is_a_failure_not_a_fault():
    code, sentence = classify_error(OSError(28, "No space left on device"))
    assert code == 1
    assert "free some space" in sentence
