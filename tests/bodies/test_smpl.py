"""SMPL's files: read without trust and without chumpy, and posed as smplx poses them."""

import os
import pickle
import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
import smplx
import torch
from torch.testing import assert_close

from motion_imitate import bodies
from motion_imitate.bodies import stored
from motion_imitate.types import Body
from motion_imitate.weights import MissingWeights
from pipelines.build_assets import smpl as convert
from tests.support.small_smpl import arrays, converted


@pytest.fixture(scope="module")
def small():
    return arrays()


def written(path, content, protocol=2):
    path.write_bytes(pickle.dumps(content, protocol=protocol))
    return path


def rotations(count, joints, seed=0):
    v = 0.5 * torch.randn(count * joints, 3, generator=torch.Generator().manual_seed(seed))
    return torch.linalg.matrix_exp(torch.linalg.cross(v[:, None], torch.eye(3)[None]).mT).view(count, joints, 3, 3)


def test_it_poses_as_smplx_does(small, tmp_path):
    some = dict.fromkeys(smplx.vertex_ids.vertex_ids["smplh"], 0)
    theirs = smplx.SMPLLayer(str(tmp_path), data_struct=smplx.utils.Struct(**small), vertex_ids=some, num_betas=10)
    ours = stored.read_body_file(converted(tmp_path))
    pose, shape = rotations(4, 24), torch.randn(4, 10, generator=torch.Generator().manual_seed(1))
    seen = theirs(betas=shape, global_orient=pose[:, :1], body_pose=pose[:, 1:])
    vertices, joints = ours(Body(pose, shape))
    root = seen.joints[:, :1]
    assert (vertices - (seen.vertices - root)).norm(dim=2).max() < 1e-4
    assert (joints - (seen.joints[:, :24] - root)).norm(dim=2).max() < 1e-4


@pytest.mark.parametrize("protocol", [0, 2, 4])
def test_a_pickle_and_an_npz_give_the_same_body(small, tmp_path, protocol):
    convert.convert_smpl_file(written(tmp_path / "a.pkl", small, protocol), tmp_path / "a.safetensors")
    there, here = stored.read_body_file(converted(tmp_path)), stored.read_body_file(tmp_path / "a.safetensors")
    body = Body(rotations(2, 24), torch.ones(2, 10))
    assert_close(here(body)[0], there(body)[0])


def foreign(monkeypatch, module, name):
    """A class that pickles under somebody else's name."""
    made = ModuleType(module)
    parts = module.split(".")
    for end in range(1, len(parts)):
        monkeypatch.setitem(sys.modules, ".".join(parts[:end]), ModuleType(".".join(parts[:end])))
    monkeypatch.setitem(sys.modules, module, made)
    kind = type(name, (), {"__module__": module, "__qualname__": name})
    setattr(made, name, kind)
    return kind


def test_chumpy_and_scipy_are_read_without_being_there(small, tmp_path, monkeypatch):
    with monkeypatch.context() as patch:
        ch = foreign(patch, "chumpy.ch", "Ch")
        select = foreign(patch, "chumpy.reordering", "Select")
        sparse = foreign(patch, "scipy.sparse.csc", "csc_matrix")

        def filled(kind, **state):
            thing = kind()
            thing.__dict__.update(state)
            return thing

        columns, rows = np.nonzero(small["J_regressor"].T)
        dense = small["J_regressor"][rows, columns]
        starts = np.searchsorted(columns, np.arange(small["J_regressor"].shape[1] + 1))
        dirs, wider = small["shapedirs"], np.concatenate([small["shapedirs"], small["shapedirs"]], axis=2)
        first = np.arange(wider.size).reshape(wider.shape)[..., :10].ravel()
        old = small | {
            "v_template": filled(ch, x=small["v_template"], dterms=("x",)),
            "shapedirs": filled(select, a=filled(ch, x=wider), idxs=first, preferred_shape=dirs.shape),
            "J_regressor": filled(sparse, _shape=(24, len(small["weights"])), indices=rows, indptr=starts, data=dense),
            "bs_type": "lrotmin",
        }
        for protocol in (0, 2):
            written(tmp_path / f"{protocol}.pkl", old, protocol)
    there, body = stored.read_body_file(converted(tmp_path)), Body(rotations(2, 24), torch.ones(2, 10))
    for protocol in (0, 2):
        convert.convert_smpl_file(tmp_path / f"{protocol}.pkl", tmp_path / "b.safetensors")
        assert_close(stored.read_body_file(tmp_path / "b.safetensors")(body)[0], there(body)[0])


@pytest.mark.parametrize("by", ["columns", "rows"])
def test_sparse_matrices_are_read_by_columns_and_by_rows(small, by):
    matrix = small["J_regressor"]
    runs, within = np.nonzero(matrix.T if by == "columns" else matrix)
    data = matrix[within, runs] if by == "columns" else matrix[runs, within]
    starts = np.searchsorted(runs, np.arange(matrix.shape[by == "columns"] + 1))
    assert np.array_equal(
        convert.sparse_record_to_dense({"_shape": matrix.shape, "indices": within, "indptr": starts, "data": data}),
        matrix,
    )


class Canary:
    """Unpickled by pickle itself, it sings: a file appears."""

    def __init__(self, call, *arguments):
        self.call, self.arguments = call, arguments

    def __reduce__(self):
        return self.call, self.arguments


def calls(path):
    yield os.system, f"touch {path}"
    yield os.mkdir, str(path)
    yield eval, f"open({str(path)!r}, 'w')"
    yield exec, f"open({str(path)!r}, 'w')"
    yield np.save, str(path), np.zeros(1)
    yield np.memmap, str(path), "uint8", "w+", 0, (4,)
    yield getattr, Path, "home"


@pytest.mark.parametrize("which", range(7))
def test_a_hostile_pickle_is_refused_and_never_run(small, tmp_path, which):
    canary = tmp_path / "canary.npy"
    call, *arguments = list(calls(canary))[which]
    path = written(tmp_path / "bad.pkl", small | {"v_template": Canary(call, *arguments)})
    with pytest.raises(ValueError, match=r"not a file of plain arrays and was not loaded") as caught:
        convert.convert_smpl_file(path, tmp_path / "out.safetensors")
    assert "it asks for" in str(caught.value)
    assert not canary.exists()
    assert not (tmp_path / "out.safetensors").exists()
    if call is not getattr:
        pickle.loads(path.read_bytes())  # the canary does sing where nobody watches
        assert canary.exists()


def test_a_hostile_name_in_a_record_is_not_looked_up(tmp_path):
    """Foreign packages' names give inert records, whatever is asked of them."""
    path = tmp_path / "bad.pkl"
    path.write_bytes(b"cscipy.os\nsystem\n(S'touch " + str(tmp_path / "sung").encode() + b"'\ntR.")
    with pytest.raises(ValueError, match="plain arrays"):
        convert.convert_smpl_file(path, tmp_path / "out.safetensors")
    assert not (tmp_path / "sung").exists()


@pytest.mark.parametrize(
    "change",
    [
        {"v_template": np.zeros((5, 2))},
        {"posedirs": np.zeros((3, 3))},
        {"weights": np.array([None, object])},
        {"f": np.full((4, 3), 10**6)},
        {"kintree_table": np.full((2, 24), 23)},
    ],
    ids=lambda change: next(iter(change)),
)
def test_arrays_that_do_not_fit_are_refused(small, tmp_path, change):
    with pytest.raises(ValueError, match=r"bad\.pkl .*get SMPL_NEUTRAL"):
        convert.convert_smpl_file(written(tmp_path / "bad.pkl", small | change), tmp_path / "out.safetensors")


@pytest.mark.parametrize("content", [b"", b"not a pickle", b"\x80\x02}q\x00.", b"\x80\x02K\x07."])
@pytest.mark.parametrize("end", [".pkl", ".npz"])
def test_files_that_are_something_else_are_refused(tmp_path, content, end):
    path = tmp_path / f"bad{end}"
    path.write_bytes(content)
    with pytest.raises(ValueError, match="bad"):
        convert.convert_smpl_file(path, tmp_path / "out.safetensors")


def test_without_a_file_it_says_where_to_get_one_and_where_to_put_it(tmp_path, monkeypatch):
    monkeypatch.setenv("MOTION_IMITATE_HOME", str(tmp_path))
    with pytest.raises(MissingWeights, match=r"smpl\.is\.tue\.mpg\.de.*motion-imitate convert smpl") as caught:
        bodies.load_body("smpl")
    assert str(tmp_path) in str(caught.value)
    converted(tmp_path)
    assert bodies.load_body("smpl").name == "smpl"
