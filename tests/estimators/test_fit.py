"""The fit finds the body that it was shown, however the clip is cut, and says what it did not see."""

from dataclasses import replace

import pytest
import torch

from motion_imitate.bodies import load_body
from motion_imitate.bodies.skinning import posed_keypoints
from motion_imitate.estimators.fit import FitWindows, fit
from motion_imitate.estimators.fitter import Fitter
from motion_imitate.estimators.live import fit_live
from motion_imitate.estimators.quality import LIVE_FITTING
from motion_imitate.estimators.rig import BENDS, PoseState
from motion_imitate.estimators.silhouette import OUTLINE_GRID, MaskEdges, rasterize_silhouettes
from motion_imitate.estimators.terms import FITTED_LANDMARKS
from motion_imitate.geometry.camera import body_to_camera, default_intrinsics, project_points
from motion_imitate.geometry.rotations import rotation_vector_to_matrix
from motion_imitate.metrics.motion import mean_joint_error, relative_to_root
from motion_imitate.motion.smooth import smooth_live
from motion_imitate.types import Camera, Motion, Sighting, cat_batched

SIZE = (480, 360)
FRAMES = 40
RATE = 30.0


@pytest.fixture(scope="module")
def model():
    return load_body("anny")


@pytest.fixture(scope="module")
def fitter(model):
    return Fitter(model)


@pytest.fixture(scope="module")
def truth(fitter):
    """Somebody who waves, squats and turns a little, three to four metres away."""
    t = torch.arange(FRAMES, dtype=torch.float64) / RATE
    bends = fitter.habits.mean.expand(FRAMES, -1, -1).clone()
    wave, squat = torch.sin(3 * t), 0.5 + 0.4 * torch.sin(2 * t)
    bends[:, BENDS.index("shoulder_left"), 2] += 0.9 * wave
    bends[:, BENDS.index("elbow_right")] += (
        fitter.habits.hinge[BENDS.index("elbow_right")] * (0.4 + 0.4 * wave)[:, None]
    )
    for side in ("left", "right"):
        bends[:, BENDS.index(f"hip_{side}"), 0] -= squat
        bends[:, BENDS.index(f"knee_{side}"), 0] += 1.5 * squat
    yaw = torch.stack([t * 0, 0.3 + 0.2 * t, t * 0], -1)
    upright = torch.diag(torch.tensor([1.0, -1, -1], dtype=torch.float64))
    place = torch.stack([0.1 * t, 0.05 * squat, 3.5 - 0.2 * t], -1)
    shape = torch.zeros(1, fitter.shapes, dtype=torch.float64)
    shape[0, :2] = torch.tensor([0.7, -0.8])
    state = PoseState(place, upright @ rotation_vector_to_matrix(yaw), bends)
    focal, centre = default_intrinsics(SIZE, FRAMES)
    seen = torch.ones(FRAMES)
    return Motion(fitter.rig.body(state, shape), Camera(focal, centre, place.float()), seen, t)


@pytest.fixture(scope="module")
def seen(model, truth):
    """What a perfect pose network would see of that: every point where it is, and the outline of the body."""
    points = posed_keypoints(model, truth.body, "blazepose33")
    image = project_points(points, truth.camera)[..., :2]
    world = body_to_camera(points, truth.camera)
    world = world - world[:, 23:25].mean(1, keepdim=True)
    low, high = image.amin(1), image.amax(1)
    half = ((high - low) * torch.tensor([SIZE[1], SIZE[0]])).amax(-1)[:, None] / 2 * 1.25
    crop = torch.zeros(FRAMES, 2, 3)
    crop[:, 0, 0], crop[:, 1, 1] = half[:, 0] / SIZE[1], half[:, 0] / SIZE[0]
    crop[:, :, 2] = (low + high) / 2
    blank = torch.zeros(FRAMES, OUTLINE_GRID, OUTLINE_GRID, dtype=torch.uint8)
    one = torch.ones(FRAMES)
    sighting = Sighting(image, world, torch.ones(FRAMES, 33), one, crop, blank, truth.seconds)
    vertices = body_to_camera(model(truth.body)[0], truth.camera)[:, model.proxy_vertices].double()
    edges = MaskEdges.of(sighting, truth.camera)
    drawn = rasterize_silhouettes(edges.pixels(vertices[..., :2] / vertices[..., 2:]), model.proxy_faces)
    return replace(sighting, mask=(drawn * 255).to(torch.uint8))


def runs(seen, length):
    return [seen[i : i + length] for i in range(0, len(seen), length)]


def joints(model, motion):
    return body_to_camera(posed_keypoints(model, motion.body, "blazepose33"), motion.camera)[:, FITTED_LANDMARKS]


def test_the_body_that_was_drawn_is_found(model, fitter, truth, seen):
    found = cat_batched(list(fit(runs(seen, 16), fitter, SIZE)))
    hips = (FITTED_LANDMARKS.index(23), FITTED_LANDMARKS.index(24))
    ours, theirs = (relative_to_root(joints(model, m), hips) for m in (found, truth))
    assert mean_joint_error(ours, theirs) < 0.06
    assert mean_joint_error(joints(model, found), joints(model, truth)) < 0.15  # how far and how tall is one unknown
    image = (project_points(posed_keypoints(model, m.body, "blazepose33"), m.camera)[..., :2] for m in (found, truth))
    off = (next(image) - next(image))[:, FITTED_LANDMARKS].norm(dim=-1)
    assert off.mean() * SIZE[1] / 2 < 1.0  # pixel
    assert found.confidence.min() > 0.9


def test_windows_join_without_a_seam(model, fitter, truth, seen):
    whole = cat_batched(list(fit(runs(seen, 16), fitter, SIZE)))
    cut = cat_batched(list(fit(runs(seen, 16), fitter, SIZE, FitWindows(frames=24, overlap=8))))
    assert len(cut) == len(whole) == FRAMES
    torch.testing.assert_close(cut.seconds, truth.seconds)
    speed = joints(model, cut).diff(dim=0).norm(dim=-1).mean(1)
    usual = joints(model, truth).diff(dim=0).norm(dim=-1).mean(1)
    assert (speed - usual).abs().max() < 0.02  # metres between frames; a seam would stand out


def test_how_frames_come_in_runs_does_not_matter(fitter, seen):
    one, other = (cat_batched(list(fit(runs(seen, n), fitter, SIZE, FitWindows(24, 8)))) for n in (5, FRAMES))
    torch.testing.assert_close(one.body.pose, other.body.pose)
    torch.testing.assert_close(one.camera.place, other.camera.place)


def lost(seen, start, end):
    score = seen.score.clone()
    score[start:end] = 0
    return replace(seen, score=score, points=seen.points.clone().index_fill_(0, torch.arange(start, end), 0.0))


def test_a_short_absence_is_bridged(model, fitter, truth, seen):
    found = cat_batched(list(fit(runs(lost(seen, 18, 24), 16), fitter, SIZE)))
    assert (found.confidence[18:24] == 0).all()
    assert mean_joint_error(joints(model, found)[18:24], joints(model, truth)[18:24]) < 0.1


def test_after_a_long_absence_the_pose_was_held(model, fitter, seen):
    slow = replace(seen, seconds=seen.seconds * 8)  # 3.75 frames a second: six frames are 1.6 seconds
    found = cat_batched(list(fit(runs(lost(slow, 18, 24), 16), fitter, SIZE)))
    held = joints(model, found)[17:24]
    assert (held - held[:1]).abs().max() < 1e-4


def test_nobody_at_all_is_a_body_of_no_confidence(fitter, seen):
    found = cat_batched(list(fit(runs(lost(seen, 0, FRAMES), 16), fitter, SIZE)))
    assert (found.confidence == 0).all()
    assert found.body.pose.isfinite().all()
    assert len(found) == FRAMES


@pytest.fixture(scope="module")
def live(model):
    return Fitter(model, LIVE_FITTING)


def pose_errors(model, found, truth):
    """Mean distance of each frame's joints, relative to the hips."""
    hips = (FITTED_LANDMARKS.index(23), FITTED_LANDMARKS.index(24))
    ours, theirs = (relative_to_root(joints(model, m), hips) for m in (found, truth))
    return (ours - theirs).norm(dim=-1).mean(1)


@pytest.fixture(scope="module")
def live_found(live, seen):
    """Frame by frame; nobody is seen in frames 12 to 15."""
    return cat_batched(list(fit_live(runs(lost(seen, 12, 16)[:20], 5), live, SIZE)))


def test_live_finds_the_body_too(model, live_found, truth):
    assert pose_errors(model, live_found, truth[:20])[live_found.confidence > 0].max() < 0.08
    last = slice(16, 20)
    off = mean_joint_error(joints(model, live_found[last]), joints(model, truth[last]))
    assert off < 0.15  # as above, one unknown


def test_live_holds_the_pose_while_nobody_is_seen(model, live_found):
    assert (live_found.confidence == 0).nonzero()[:, 0].tolist() == [12, 13, 14, 15]
    assert (joints(model, live_found)[12:16] - joints(model, live_found)[11]).abs().max() < 1e-4


def test_live_looks_back_only(live, live_found, seen):
    early = cat_batched(list(smooth_live(fit_live(runs(seen[:8], 4), live, SIZE))))
    late = cat_batched(list(smooth_live([live_found])))
    torch.testing.assert_close(early.body.pose, late.body.pose[:8])
    torch.testing.assert_close(early.camera.place, late.camera.place[:8])


def shaken(seen, still):
    """The landmarks of one frame, for good, with a network's noise."""
    noise = torch.Generator().manual_seed(3)
    rows = torch.full((FRAMES,), still)
    points = seen.points[rows] + 0.006 * torch.randn(FRAMES, 33, 2, generator=noise)
    world = seen.world[rows] + 0.02 * torch.randn(FRAMES, 33, 3, generator=noise)
    return replace(seen[rows], points=points, world=world, seconds=seen.seconds)


def test_live_feet_that_stand_do_not_slide(model, live, seen):
    found = cat_batched(list(fit_live(runs(shaken(seen, 5)[:18], 16), live, SIZE)))
    feet = joints(model, found)[:, [FITTED_LANDMARKS.index(k) for k in (29, 30, 31, 32)]]
    assert feet[8:].mean(1).diff(dim=0).norm(dim=-1).mean() * RATE < 0.1  # metres per second


def test_somebody_who_leaves_for_good_stays_where_he_was_last(model, fitter, seen):
    found = cat_batched(list(fit(runs(lost(seen, 20, FRAMES), 8), fitter, SIZE, FitWindows(frames=12, overlap=4))))
    assert len(found) == FRAMES
    assert (found.confidence[20:] == 0).all()
    held = joints(model, found)[20:]
    assert (held - joints(model, found)[19:20]).abs().max() < 1e-4
