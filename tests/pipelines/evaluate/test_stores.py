"""Systems are compared on pairs of a store: the truth is perfect, a copy is not, and weights say what they are."""

import json
from dataclasses import replace

import pytest
import torch

from motion_imitate.generators.pose_guided import PoseGuidedNetworks, pose_guided_form
from motion_imitate.training.store_pairs import StorePairs
from motion_imitate.weights import write_weights
from pipelines.cli.commands import main
from pipelines.evaluate import stores
from pipelines.evaluate.store_systems import UNTRAINED_SYSTEMS, open_store_systems
from pipelines.evaluate.stores import StoreJudges, draw_numbered_pairs, score_store_systems
from pipelines.output_path import UsageError
from pipelines.reporter import Reporter
from tests.support.oval_store import oval_store, write_oval_store

SIZE = (64, 48)


class ColourFeatures:
    """In the place of a backbone: the picture, coarser and coarser."""

    def __call__(self, pictures):
        return [torch.nn.functional.avg_pool2d(pictures, 2**k) for k in range(1, 6)]


@pytest.fixture
def judges(monkeypatch):
    """The pose network finds the points of the truth, moved by a tenth of a person to the right; there are no faces."""
    monkeypatch.setattr(stores, "find_person_near", lambda picture, points, look: FoundPerson(points))
    return StoreJudges(None, None, ColourFeatures())


class FoundPerson:
    def __init__(self, points):
        height = (points[:, 1].max() - points[:, 1].min()) * SIZE[0] / SIZE[1]
        moved = torch.zeros_like(points)
        moved[::2, 0] = 0.05 * height
        moved[1::2, 0] = 5.0
        self.points = (points + moved)[None]


@pytest.fixture
def weights(tmp_path):
    config = pose_guided_form("small", SIZE)
    about = {"system": "pg2", "form": "small", "size": list(SIZE)}
    tensors = {k: v.half() for k, v in PoseGuidedNetworks(config).state_dict().items()}
    write_weights(tmp_path / "pg2.safetensors", about, tensors)
    return tmp_path / "pg2.safetensors"


def test_the_truth_is_perfect_and_a_copy_is_not(judges):
    pairs = StorePairs(oval_store(people=6, size=SIZE), torch.arange(6))
    ways = open_store_systems(("all",), {}, SIZE)
    truth, copy = score_store_systems(pairs, 30, 0, ways, judges, Reporter(quiet=True))
    assert [truth[name] for name in ("ssim", "ms_ssim", "perceptual")] == pytest.approx([1, 1, 0], abs=1e-6)
    assert truth["frechet"] == pytest.approx(0, abs=1e-9)
    assert truth["recall_1"] == copy["recall_1"] == 1  # each has a colour of their own
    assert copy["ssim"] < 0.9
    assert copy["perceptual"] > 0.01
    assert copy["frechet"] > 0
    assert truth["pck"] == pytest.approx(0.5, abs=0.1)  # of left and right points one is always far
    assert truth["pck_wrist"] == pytest.approx(0.5, abs=0.1)
    assert (truth["face"], truth["faces"]) == (None, 0)


def test_pairs_are_the_same_for_a_seed_and_know_their_person():
    pairs = StorePairs(oval_store(people=4, size=SIZE), torch.tensor([1, 3]))
    first, second = (list(draw_numbered_pairs(pairs, 25, 7)) for _ in range(2))
    assert [len(some) for some in first] == [20, 5]
    assert all(torch.equal(a.pairs.source.picture, b.pairs.source.picture) for a, b in zip(first, second, strict=True))
    hue = {int(k): c for some in first for k, c in zip(some.person, some.pairs.target.colour.amax((2, 3)), strict=True)}
    assert hue.keys() == {1, 3}
    for some in first:
        for person, colour in zip(some.person.tolist(), some.pairs.source.colour.amax((2, 3)), strict=True):
            assert (colour - hue[person]).abs().max() < 0.05


def test_systems_of_other_sizes_kinds_and_names_are_refused(weights, tmp_path):
    with pytest.raises(UsageError, match="trained on pictures of 64x48, the store's are 32x32"):
        open_store_systems(("all",), {"pg2": weights}, (32, 32))
    write_weights(tmp_path / "hmr.safetensors", {"system": "hmr"}, {})
    with pytest.raises(UsageError, match="no system that draws"):
        open_store_systems(("all",), {"hmr": tmp_path / "hmr.safetensors"}, SIZE)
    with pytest.raises(UsageError, match="choose all or some of truth, copy, or give --weights drn=FILE"):
        open_store_systems(("drn",), {}, SIZE)


def test_the_command_writes_a_row_for_each_system(weights, tmp_path, judges, monkeypatch, capsys, unchecked_shapes):
    write_oval_store(tmp_path / "store", size=SIZE)
    monkeypatch.setattr(stores, "load_store_judges", lambda threads: judges)
    command = ["evaluate", "--store", str(tmp_path / "store"), "--pairs", "3", "--weights", f"early={weights}"]
    assert main([*command, "-o", str(tmp_path / "scores.json"), "--quiet"]) == 0
    rows = json.loads((tmp_path / "scores.json").read_text())["rows"]
    assert [row["row"] for row in rows] == [*UNTRAINED_SYSTEMS, "early"]
    table = capsys.readouterr().out.splitlines()
    assert table[0].startswith("| row | pairs | SSIM |")
    assert len(table) == 2 + len(rows)
    assert main([*command, "--systems", "copy", "--quiet"]) == 0
    assert "early" not in capsys.readouterr().out


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["clip.mp4"], "evaluated alone"),
        (["--weights", "pg2.safetensors"], "not NAME=FILE"),
        (["--systems", "geometric"], "no system 'geometric'"),
        (["--pairs", "1"], "--pairs"),
    ],
)
def test_what_cannot_be_compared_is_refused(words, said, tmp_path, capsys):
    write_oval_store(tmp_path / "store", size=SIZE)
    assert main(["evaluate", "--store", str(tmp_path / "store"), *words]) == 2
    assert said in capsys.readouterr().err


def test_renderers_take_one_file_of_weights(capsys):
    assert main(["evaluate", "--synthetic", "2", "--weights", "a", "--weights", "b"]) == 2
    assert "with --store only" in capsys.readouterr().err


def test_a_store_of_held_out_assets_is_used_whole(tmp_path):
    write_oval_store(tmp_path / "store", people=6, size=SIZE)
    store, settings = oval_store(people=6), tmp_path / "store" / "settings.json"
    assert len(stores.select_store_people(tmp_path / "store", store).people) == 1
    settings.write_text(json.dumps(json.loads(settings.read_text()) | {"closet": {"part": "held"}}))
    assert len(stores.select_store_people(tmp_path / "store", replace(store)).people) == 6
