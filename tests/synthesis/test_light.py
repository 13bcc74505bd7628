"""Light comes from where lamps are, and not through things."""

from dataclasses import replace
from math import pi

import torch
from torch.testing import assert_close

from motion_imitate.synthesis import studio
from motion_imitate.synthesis.light import (
    LitPoints,
    StudioLamp,
    StudioLights,
    StudioRays,
    build_light_ray,
    build_studio_rays,
    light_ray_directions,
    linear_light,
    shade_points,
    tone_map_studio,
)
from motion_imitate.synthesis.person import DressedPerson
from motion_imitate.types import Camera, Skin

DARK = StudioLights(lamps=(), sky=0.0, sky_rays=0, floor=0.0, shadow=256)
ROOF = torch.tensor([[[-1.0, 1, -1], [1, 1, -1], [1, 1, 1]], [[-1.0, 1, -1], [1, 1, 1], [-1, 1, 1]]])


def spots(at, normal):
    at, normal = torch.tensor(at), torch.tensor(normal)
    return LitPoints(
        at, normal, torch.ones_like(at), normal, torch.zeros_like(at), torch.tensor([[0.0, 1]]).repeat(len(at), 1)
    )


def test_a_lamp_lights_by_the_cosine_to_its_side():
    how = replace(DARK, lamps=(StudioLamp(90.0, 0.0, 2.0, (1.0, 0.5, 0.25), wide=0.01, rays=4),))
    left, up, away = (1.0, 0, 0), (0.0, 0.6, 0.8), (-1.0, 0, 0)
    found = shade_points(spots([(3.0, 0, 0)] * 4, [left, up, away, (0.6, 0.8, 0)]), build_studio_rays(ROOF, how))
    colour = 2 * torch.tensor([1.0, 0.5, 0.25])
    expected = torch.tensor([1, 0, 0, 0.6])[:, None] * colour
    assert_close(found, expected, atol=1e-3, rtol=0)


def test_an_open_sky_gives_what_lies_flat_all_of_it_and_what_stands_half():
    how = replace(DARK, sky=0.8, sky_rays=4000)
    far = tuple(build_light_ray(ROOF - 50, *ray, 8) for ray in light_ray_directions(how))
    found = shade_points(spots([(0.0, 9, 0)] * 3, [(0.0, 1, 0), (1.0, 0, 0), (0.0, -1, 0)]), StudioRays(far, 0.0))
    assert_close(found[:, 0], torch.tensor([0.8, 0.4, 0.0]), atol=2e-3, rtol=0)


def test_under_a_roof_it_is_dark_and_beside_it_is_not():
    how = replace(DARK, lamps=(StudioLamp(0.0, 90.0, 1.0, wide=0.01, rays=1),))
    places = [(0.5, 0.5, 0.2), (0.5, 1.5, 0.2), (1.5, 0.5, 0.2), (-0.9, 0.0, 0.9), (0.0, 1.0, 0.3)]
    found = shade_points(spots(places, [(0.0, 1, 0)] * 5), build_studio_rays(ROOF, how))[:, 0]
    assert_close(found, torch.tensor([0.0, 1, 1, 0, 1]), atol=1e-3, rtol=0)  # the last: the roof's own upper side


def test_a_wide_lamp_gives_soft_shadows():
    how = replace(DARK, lamps=(StudioLamp(0.0, 90.0, 1.0, wide=25.0, rays=200),))
    across = torch.linspace(0, 2, 9).tolist()
    found = shade_points(spots([(x, 0.0, 0.0) for x in across], [(0.0, 1, 0)] * 9), build_studio_rays(ROOF, how))[:, 0]
    assert (found.diff() >= -0.01).all()
    assert ((found > 0.1) & (found < 0.9)).sum() >= 2


def test_what_comes_back_from_the_floor_lights_what_looks_down():
    found = shade_points(spots([(5.0, 5, 5)] * 2, [(0.0, -1, 0), (0.0, 1, 0)]), StudioRays((), 0.3))
    assert_close(found[:, 0], torch.tensor([0.3, 0.0]))


def test_pictures_show_light_as_it_was_unless_it_blinds():
    numbers = torch.linspace(0, 0.9, 10)
    assert_close(tone_map_studio(linear_light(numbers)), numbers)
    bright = tone_map_studio(torch.tensor([0.8, 1.0, 2.0, 9.0]))
    assert (bright.diff() >= 0).all()
    assert bright.max() <= 1


def sheet(texture, sheer):
    """Two squares across the line of sight, the first nearer: the body of a person without joints to bend."""
    square = torch.tensor([[-0.5, -0.5, 0], [0.5, -0.5, 0], [0.5, 0.5, 0], [-0.5, 0.5, 0]])
    at = torch.cat([square + torch.tensor([0, 0, 0.2]), square * 1.5])
    faces = torch.tensor([[0, 1, 2], [0, 2, 3], [4, 5, 6], [4, 6, 7]])
    skin = Skin(at, torch.zeros(0, 8, 3), torch.zeros(1, 3), torch.zeros(0, 1, 3), torch.ones(8, 1), (-1,))
    back = torch.tensor([0.2, 0.5, 0.8, 1.0]).view(4, 1, 1)
    piece = torch.tensor([0, 0, 1, 1])
    return DressedPerson(
        skin, faces, torch.full((4, 3, 2), 0.5), piece, (piece == 0) & sheer, ("lashes", "brows"), (texture, back)
    )


def taken(texture, sheer):
    camera = Camera(torch.tensor([[4.0, 4.0]]), torch.zeros(1, 2), torch.tensor([[0.0, 0, 5]]))
    flood = StudioLights(
        lamps=(StudioLamp(0.0, 0.0, 1.0, wide=0.01, rays=1),), sky=0.0, sky_rays=0, floor=0.0, shadow=64
    )
    how = studio.StudioSettings(over=2)
    return studio.photograph_person(sheet(texture, sheer), torch.eye(3)[None], camera, (32, 32), how, flood)


def test_a_sheer_face_lets_through_what_its_alpha_leaves():
    """A quarter of the near square's light and three quarters of the far one's, added as light is."""
    near = torch.tensor([0.8, 0.3, 0.1, 0.25]).view(4, 1, 1)
    mixed = taken(near, True).image[:, 16, 16]
    alone = [taken(torch.cat([near[:3], torch.full((1, 1, 1), a)]), True).image[:, 16, 16] for a in (0.0, 1.0)]
    assert_close(mixed, (0.75 * alone[0] ** 2.2 + 0.25 * alone[1] ** 2.2) ** (1 / 2.2), atol=1e-3, rtol=0)
    solid = taken(near, False).image[:, 16, 16]
    assert_close(solid, alone[1], atol=1e-4, rtol=0)


def test_the_cover_is_the_persons_share_of_each_pixel():
    clear = taken(torch.tensor([1.0, 1, 1, 0]).view(4, 1, 1), True)
    area = (1.5 * 4 / 5 * 16) ** 2  # the far square's, in pixels
    assert abs(float(clear.cover.sum()) - area) < 0.03 * area
    assert clear.cover.min() == 0
    assert clear.cover.max() == 1


def test_the_paper_runs_from_floor_to_wall_without_a_fold():
    how = studio.StudioSettings(wall=2.0, bend=0.7)
    eye = torch.tensor([0.0, 1.2, 4.0])
    slope = torch.linspace(-1.0, 0.4, 1600)
    ahead = torch.stack([0 * slope, slope, -torch.ones(1600)], 1)
    at, normal = studio.intersect_paper(eye, ahead, 0.0, how)
    assert_close(normal.norm(dim=1), torch.ones(1600))
    assert at[:, 1].min() > -1e-5
    assert at[:, 2].min() > -2 - 1e-5
    assert_close(normal[0], torch.tensor([0, 1.0, 0]))
    assert_close(normal[-1], torch.tensor([0, 0, 1.0]))
    turned = torch.acos((normal[1:] * normal[:-1]).sum(1).clamp(-1, 1))
    assert turned.max() < 0.06
    assert abs(float(turned.sum()) - pi / 2) < 0.05
    assert (torch.linalg.cross(at - eye, ahead).norm(dim=1) < 1e-4).all()
