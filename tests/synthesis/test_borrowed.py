"""What is borrowed of a wardrobe: what is left of sheer cloth, what is dyed, and what is said where there is none."""

import numpy as np
import pytest
import torch

from motion_imitate import bodies
from motion_imitate.synthesis import borrowed, wardrobe
from motion_imitate.synthesis.closet import ClothingSettings
from motion_imitate.synthesis.pairs import SampleSettings, SyntheticDataset
from tests.support.small_wardrobe import make


def test_faces_of_nothing_are_left_out():
    paint = np.zeros((8, 8, 4), np.uint8)
    paint[:, :4, 3] = 255  # the left half is there
    left = torch.tensor([[[0.1, 0.1], [0.2, 0.1], [0.1, 0.2]]])
    kept = borrowed.opaque_faces(torch.cat([left, left + 0.6, left + torch.tensor([0.3, 0.0])]), paint)
    assert kept.tolist() == [True, False, True]


@pytest.mark.parametrize("sheer", [False, True])
def test_textures_are_of_three_channels_unless_they_have_holes(tmp_path, sheer):
    garment = wardrobe.read_garment(make(tmp_path, transparent=sheer))
    assert borrowed.texture_to_bytes(borrowed.load_garment_texture(garment.material)).shape == (4, 4, 4 if sheer else 3)


def test_colours_change_and_holes_stay(tmp_path):
    garment = wardrobe.read_garment(make(tmp_path, transparent=True))
    own = borrowed.texture_to_bytes(borrowed.load_garment_texture(garment.material))
    seen = [borrowed.recolour_garment(np.random.default_rng(k), "clothes", garment)[1] for k in range(12)]
    assert any((paint[..., :3] != own[..., :3]).any() for paint in seen)
    assert all(np.array_equal(paint[..., 3], own[..., 3]) for paint in seen)


def test_a_folder_that_is_no_wardrobe_is_refused(tmp_path):
    with pytest.raises(FileNotFoundError, match="MakeHuman data folder"):
        SyntheticDataset(bodies.load_body("anny"), SampleSettings(closet=ClothingSettings(tmp_path)))
    (tmp_path / "hair").mkdir()
    with pytest.raises(FileNotFoundError, match="--makehuman"):
        borrowed.pick_asset_folder(np.random.default_rng(0), tmp_path / "hair")
