"""A run on a GPU ends in time whatever its parts do, brings back what there is, and its pack holds what it needs."""

import json
import re
import subprocess
import sys
from functools import partial
from pathlib import Path
from time import monotonic

import cv2
import numpy as np
import pytest

from motion_imitate.synthesis import wardrobe
from motion_imitate.weights import read_weights, write_weights
from pipelines.output_path import UsageError
from pipelines.reporter import OK, Reporter
from pipelines.train import due_systems, gpu_pack, gpu_run, timed_parts, timed_store
from pipelines.train.due_systems import DUE_SYSTEMS, DueSystem, DueTraining, train_due_system
from pipelines.train.gpu_run import GpuRunOptions, gpu_test_command, run_on_gpu
from pipelines.train.loop import CHECKPOINT_FILE
from pipelines.train.options import StoreTrainingOptions
from pipelines.train.store_loop import WARM_UP_STEPS, small_network_pace
from pipelines.train.timed_parts import TimedPart, run_timed_parts
from tests.support import small_wardrobe

ROOT = Path(__file__).parents[3]
ABSENT = ("av", "cyclopts", "ai_edge_litert", "rich", "PIL", "ray", "smplx", "hypothesis")
BLOCKED_IMPORTS = f"""
import sys
class Absent:
    def find_spec(self, name, *_):
        if name.partition(".")[0] in {ABSENT}:
            raise ModuleNotFoundError(name)
sys.meta_path.insert(0, Absent())
import pipelines.bench.raster, pipelines.bench.gpu, pipelines.train.gpu_run, pipelines.train.timed_store
"""
TRAINER = """
import sys, time
from pathlib import Path
folder = Path(sys.argv[1])
folder.mkdir()
(folder / "weights.safetensors").write_bytes(b"weights")
(folder / "log.jsonl").write_text("".join(f'{{"step": {k}.0, "loss": 0.5}}\\n' for k in range(200)))
print("trained")
"""


def python(words, *given):
    return [sys.executable, "-S", "-c", words, *map(str, given)]


@pytest.fixture(autouse=True)
def hasty(monkeypatch):
    monkeypatch.setattr(timed_parts, "POLL_SECONDS", 0.02)
    monkeypatch.setattr(timed_parts, "GRACE_SECONDS", 0.3)
    monkeypatch.setattr(gpu_run, "GRACE_SECONDS", 0.3)
    monkeypatch.setattr(gpu_run, "ENDING_SECONDS", 0.1)


def test_training_needs_neither_the_video_library_nor_the_command_lines_package():
    subprocess.run([sys.executable, "-c", BLOCKED_IMPORTS], check=True, cwd=ROOT)


def test_parts_that_fail_hang_or_wait_stop_nothing_else(tmp_path):
    deaf = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); time.sleep(60)"
    parts = [
        TimedPart("fails", partial(python, "1 / 0"), 9),
        TimedPart("hangs", partial(python, deaf), 0.5),
        TimedPart("second", partial(python, "print('ran')"), 9, ("fails", "hangs")),
        TimedPart("endless", partial(python, "import time; time.sleep(60)"), 60),
    ]
    seen = {}
    begin = monotonic()
    run_timed_parts(parts, begin + 2.5, tmp_path, seen.update)
    assert monotonic() - begin < 4
    report = {name: running.report() for name, running in seen.items()}
    assert [report[name]["cut_off"] for name in ("fails", "hangs", "second", "endless")] == [False, True, False, True]
    assert report["fails"]["exit_code"] == 1
    assert report["second"]["exit_code"] == 0
    assert (tmp_path / "second.log").read_text() == "ran\n"
    assert "ZeroDivisionError" in (tmp_path / "fails.log").read_text()


def test_a_run_brings_back_weights_logs_and_a_sheet_and_ends_in_time(tmp_path, monkeypatch, capsys):
    sheet = np.full((4, 6, 3), 200, np.uint8)

    def training(how, name, store, folder, until):
        if name == "drn":
            return python("import time; time.sleep(60)")
        cv2.imwrite(str(folder.parent / "sheet.png"), sheet)
        return python(TRAINER + "Path(sys.argv[2]).rename(folder / 'sheet.png')", folder, folder.parent / "sheet.png")

    monkeypatch.setattr(gpu_run, "training_command", training)
    monkeypatch.setattr(gpu_run, "module_command", lambda *_: python("print('done')"))
    begin = monotonic()
    assert run_on_gpu(GpuRunOptions(tmp_path / "out", minutes=2.5 / 60, due=("pg2", "drn"))) == 1
    assert monotonic() - begin < 4
    out = tmp_path / "out"
    assert sorted(path.name for path in out.iterdir()) == ["log.txt", "pg2.safetensors", "report.json", "sheet.png"]
    report = json.loads((out / "report.json").read_text())
    assert {name for name, part in report["parts"].items() if part["exit_code"] == 0} == {
        *("tests", "bench", "store", "pg2")
    }
    assert report["parts"]["drn"]["cut_off"]
    assert 0 < len(report["systems"]["pg2"]["log"]) <= 2 * gpu_run.KEPT_LOG_LINES
    assert report["systems"]["pg2"]["samples"] == 200 * DUE_SYSTEMS["pg2"].batch
    assert report["systems"]["drn"] == {"samples": 0, "log": []}
    assert cv2.imread(str(out / "sheet.png")).shape == (4 + 8, 6, 3)
    assert "== pg2\ntrained" in (out / "log.txt").read_text()


def test_files_too_large_to_bring_back_are_left(tmp_path, monkeypatch):
    monkeypatch.setattr(gpu_run, "MAX_FILE_BYTES", 6)
    monkeypatch.setattr(gpu_run, "training_command", lambda how, name, store, folder, until: python(TRAINER, folder))
    monkeypatch.setattr(gpu_run, "module_command", lambda *_: python("pass"))
    assert run_on_gpu(GpuRunOptions(tmp_path, minutes=0.1, due=("pg2",))) == 0
    assert not (tmp_path / "pg2.safetensors").exists()


def test_all_that_is_due_fits_into_the_files_that_come_back():
    named = {gpu_run.REPORT_FILE, gpu_run.TEXT_FILE, gpu_run.SHEET_FILE}
    assert len(DUE_SYSTEMS) + len(named) <= gpu_run.MAX_FILES


def test_the_tests_for_a_gpu_are_found():
    named = {Path(word).name for word in gpu_test_command(GpuRunOptions(Path())) if word.endswith(".py")}
    assert {"test_nets.py", "test_raster.py", "test_devices.py"} <= named


def test_a_system_trains_at_a_constant_rate_and_then_as_long_as_it_has_time(tmp_path, monkeypatch):
    asked = []

    def train(folder, store, how, reporter):
        asked.append(how)
        write_weights(folder / CHECKPOINT_FILE, {"step": 700}, {})
        return OK

    seconds = iter([0.0, 70.0])
    monkeypatch.setitem(due_systems.DUE_SYSTEMS, "pg2", DueSystem(0, 1, 4, train))
    monkeypatch.setattr(due_systems, "monotonic", lambda: next(seconds))
    monkeypatch.setattr(due_systems, "time", lambda: 0.0)
    how = DueTraining(tmp_path, until=60.0, device="cpu", batch=4)
    assert train_due_system("pg2", tmp_path, how, Reporter(quiet=True)) == OK
    first, last = asked
    assert (first.minutes, first.steps, first.batch) == (0.7, None, 4)
    assert (last.minutes, last.steps, last.cooldown) == (1.0, 700 + 540, 540)  # at ten steps a second


def test_the_rate_falls_in_the_last_steps_alone():
    pace = small_network_pace(StoreTrainingOptions(steps=1000, cooldown=100))
    assert [pace.rate_fraction(step) for step in (WARM_UP_STEPS, 900)] == [1.0, 1.0]
    assert pace.rate_fraction(950) == pytest.approx(0.505)
    assert pace.rate_fraction(1000) == pytest.approx(0.01)


def test_the_documented_table_of_what_is_due_is_the_one_that_runs():
    text = (ROOT / "docs" / "training.md").read_text()
    rows = dict(re.findall(r"^\| `([\w-]+)` \| ([\d,]+ \| [\d,]+ \| [\d,]+) \|", text, re.MULTILINE))
    assert rows == {
        name: f"{system.trained:,} | {system.wanted:,} | {system.batch:,}" for name, system in DUE_SYSTEMS.items()
    }


@pytest.fixture
def people(tmp_path):
    """A wardrobe and motions."""
    folder = small_wardrobe.make(tmp_path / "makehuman" / "clothes", transparent=True)
    cv2.imwrite(str(folder / "shade.png"), np.full((800, 1600), 51, np.uint8))
    (folder / "cloth_normal.png").write_bytes(b"not used")
    (tmp_path / "motions").mkdir()
    (tmp_path / "motions" / "walk.txt").write_text("{}")
    return tmp_path / "makehuman", tmp_path / "motions"


def test_a_pack_holds_code_assets_and_weights_and_names_what_is_left_out(tmp_path, people, monkeypatch):
    monkeypatch.setattr(gpu_pack, "CODE", ("pipelines/train/*.py", "pyproject.toml"))
    weights = tmp_path / "weights.safetensors"
    write_weights(weights, {"step": 1}, {})
    parts = gpu_pack.lay_out_pack(tmp_path / "pack", *people, [("pg2", weights)], lambda folder: None)
    pack = tmp_path / "pack"
    assert (pack / "pipelines" / "train" / "gpu_run.py").read_text() == Path(gpu_run.__file__).read_text()
    assert read_weights(pack / "begin" / "pg2.safetensors")
    assert all((pack / "assets" / name).is_file() for name in gpu_pack.ASSETS)
    assert parts["left out: pose_heavy.tflite"] > 20_000_000
    subprocess.run(["bash", "-n", pack / "run.sh"], check=True)
    with pytest.raises(UsageError, match="is not empty"):
        gpu_pack.lay_out_pack(pack, *people)
    monkeypatch.setattr(gpu_pack, "MAX_PACK_BYTES", 1000)
    with pytest.raises(UsageError, match="more than 1000"):
        gpu_pack.lay_out_pack(tmp_path / "other", *people, fetch=lambda folder: None)


def test_a_packed_wardrobe_is_smaller_and_hangs_and_looks_the_same(tmp_path, people):
    gpu_pack.shrink_wardrobe(people[0], tmp_path / "small")
    before, after = (wardrobe.read_garment(home / "clothes" / "cloth") for home in (people[0], tmp_path / "small"))
    assert (before.offsets == after.offsets).all()
    assert cv2.imread(str(after.material.shade)).shape == (256, 512, 3)
    assert after.material.sheer
    assert not list((tmp_path / "small").rglob("*.png"))
    colour, packed = (wardrobe.load_material_texture(garment.material) for garment in (before, after))
    assert (colour[3] == packed[3]).all()
    assert (colour[:3] - packed[:3]).abs()[:, :, 2:].max() < 0.15  # four texels wide: lossy in colour


def test_a_store_holds_what_its_time_allows_and_five_people_at_least(tmp_path, monkeypatch):
    made = []
    monkeypatch.setattr(timed_store, "STORE_NICENESS", 0)
    monkeypatch.setattr(timed_store, "write_people_shard", lambda folder, source, number: made.append(number))
    monkeypatch.setattr(timed_store, "write_scene_shard", lambda folder, source, number: made.append(-number))
    timed_store.write_shards_until(tmp_path, None, 2, 3, monotonic() - 1)
    assert made == [2]  # no scenes, and the next would be the sixth person
    timed_store.write_shards_until(tmp_path, None, 1, 1000, monotonic() + 0.01)
    assert made[1:3] == [-1, 1]
    assert made[3:] == list(range(1001, made[-1] + 1, 1000))
