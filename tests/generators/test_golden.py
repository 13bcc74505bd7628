"""What must come out where the answer is known: the flow of a mesh that is known."""

import pytest
import torch

from motion_imitate.bodies.dress import dress_body
from motion_imitate.geometry.camera import body_to_camera, camera_to_image
from motion_imitate.geometry.flow import correspond_views
from motion_imitate.geometry.raster import rasterize
from motion_imitate.geometry.view import view_of_body
from motion_imitate.synthesis.actor import pose_actor
from motion_imitate.synthesis.pairs import PeoplePool, SampleSettings, SyntheticDataset
from motion_imitate.synthesis.poses import PosingSettings
from motion_imitate.types import View
from tests.support.painted import MODEL
from tests.support.visible_points import visible_at_points

PEOPLE = 3


@pytest.fixture(scope="module")
def people():
    """Made-up people who move little, as 256 pixels show them, and the meshes they truly are."""
    how = SampleSettings(views=2, casting=PeoplePool(1, 1), posing=PosingSettings(small=1.0, turned=15.0))
    pairs = SyntheticDataset(MODEL, how, 7)
    return [(pairs[k], pairs.actor(k)) for k in range(PEOPLE)]


def truly(sample, actor):
    """The views of the composite mesh itself."""
    corners = camera_to_image(body_to_camera(pose_actor(actor, sample.body.pose)[0], sample.camera), sample.camera)[
        :, actor.faces
    ]
    return View(corners, torch.zeros(len(corners), 1, 2), rasterize(corners, sample.image.shape[2:]))


def within_a_pixel(view, sample, where):
    """1 for each of the second view's pixels that count, and that both flows find in the first, if they agree where."""
    flow = correspond_views(view[:1], view[1:])
    both = where & visible_at_points(flow, view[:1])[0] & (sample.visible[1] > 0)
    off = (flow[0, ..., :2] - sample.flow[1]) * torch.tensor(sample.image.shape[:1:-1]) / 2
    return (off.norm(dim=-1)[both] < 1).float()


def test_the_flow_of_the_true_mesh_is_the_truth(people):
    for sample, actor in people:
        view = truly(sample, actor)
        body = view.raster.face[1] >= 0
        assert within_a_pixel(view, sample, body).mean() > 0.995
        seen = visible_at_points(correspond_views(view[:1], view[1:]), view[:1])[
            0
        ]  # by depths half as fine as the truth's
        assert (seen == (sample.visible[1] > 0))[body].float().mean() > 0.9


def skin_and_cloth(view, actor):
    face = view.raster.face[1]
    piece = torch.where(face < 0, -1, actor.piece[face.clamp(min=0)])
    return piece == 0, piece > 0


def shares(people, clothed):
    """How many pixels of skin and of cloth are led to within a pixel of the truth, and how many both flows find."""
    skin, cloth = [], []
    for sample, actor in people:
        model = dress_body(MODEL, sample.body[:1], sample.camera[:1], sample.matte[:1]) if clothed else MODEL
        view = view_of_body(model, rasterize, sample.body, sample.camera, sample.image.shape[2:])
        for found, where in zip((skin, cloth), skin_and_cloth(truly(sample, actor), actor), strict=True):
            found.append(within_a_pixel(view, sample, where))
    return [(float(torch.cat(found).mean()), sum(map(len, found))) for found in (skin, cloth)]


def test_the_flow_of_the_bare_body_is_the_truth_where_skin_is_seen(people):
    (skin, count), _ = shares(people, clothed=False)
    assert count > 1000
    assert skin > 0.99


def test_dressed_by_one_matte_the_body_leads_cloth_nearer_to_the_truth(people):
    """Not 95 in 100 within a pixel: how far cloth stands off is known at the matte's edge, and guessed elsewhere."""
    _, (bare, found) = shares(people, clothed=False)
    _, (worn, more) = shares(people, clothed=True)
    assert worn > 0.7
    assert worn > bare + 0.1
    assert more > found
