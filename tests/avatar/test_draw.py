"""What a drawn avatar looks like, whatever person it is of; and that the kernels agree with plain PyTorch."""

from dataclasses import replace

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor
from torch.testing import assert_close

from motion_imitate.avatar.avatar import Avatar, ContactFaces, HeadFaces, find_solid_faces
from motion_imitate.avatar.draw import (
    AVATAR_RENDERERS,
    blend_window,
    draw_avatar,
    draw_avatar_into,
    render_torch,
)
from motion_imitate.geometry.camera import NEAR_PLANE
from tests.support.on_gpu import every_kernel

every_renderer = every_kernel("render", AVATAR_RENDERERS)
every_compiled = every_kernel("compiled", {name: AVATAR_RENDERERS[name] for name in ("numba", "cuda")})
SQUARE = torch.tensor([[-1.0, -1], [1, -1], [1, 1], [-1, 1]])
SQUARE_FACES = torch.tensor([[0, 1, 2], [0, 2, 3]])


def avatar_of(
    source: Tensor, faces: Tensor, photos: Tensor, photo: Tensor | None = None, layer: Tensor | None = None
) -> Avatar:
    """An avatar of flat sheets without joints; the second layer is drawn 0.5 m nearer."""
    zeros = torch.zeros(len(faces), dtype=torch.int64)
    photo, thick = zeros if photo is None else photo, torch.zeros(len(faces), dtype=torch.bool)
    return Avatar(
        rest=torch.zeros(len(source), 3),
        joints=torch.zeros(len(source), 1, dtype=torch.int64),
        weights=torch.ones(len(source), 1),
        source=source,
        faces=faces,
        photo=photo,
        layer=zeros if layer is None else layer,
        bias=torch.tensor([0.0, 0.5]),
        thick=thick,
        solid=find_solid_faces(source[None], faces, photo, thick, photos),
        photo_turns=torch.eye(3)[None],
        photo_places=torch.zeros(1, 3),
        photo_pose=torch.eye(3)[None],
        photo_view=torch.tensor([0.0, 0.0, -1.0]),
        kind_colours=torch.full((1, 3), torch.nan),
        photos=photos,
    )


def plain_photo(colour: tuple[int, int, int], alpha: int = 255) -> Tensor:
    return torch.tensor([*colour, alpha], dtype=torch.uint8).expand(1, 4, 4, 4).contiguous()


def random_photos(seed: int, size: tuple[int, int] = (24, 18), count: int = 2) -> Tensor:
    """Noise in colours, and areas of alpha that are opaque, empty, and between."""
    generator = torch.Generator().manual_seed(seed)
    colour = torch.rand(count, 3, *size, generator=generator)
    coarse = torch.rand(count, 1, 4, 3, generator=generator) * 3 - 1
    alpha = torch.nn.functional.interpolate(coarse, size, mode="bilinear").clamp(0, 1)
    return (torch.cat([colour, alpha], 1) * 255).round().to(torch.uint8).permute(0, 2, 3, 1).contiguous()


def random_scene(seed: int, count: int = 50) -> tuple[Avatar, Tensor]:
    """Triangles that overlap and cut through each other, in two layers, some thick; some reach beyond the picture."""
    generator = torch.Generator().manual_seed(seed)
    places = torch.rand(3 * count, 2, generator=generator) * 2.4 - 1.2
    vertices = torch.cat([places, 1 + torch.rand(3 * count, 1, generator=generator)], 1)
    faces = torch.arange(3 * count).view(count, 3)
    middle = torch.rand(count, 1, 2, generator=generator) * 2 - 1
    source = (middle + torch.rand(count, 3, 2, generator=generator) * 0.8 - 0.4).flatten(0, 1)
    photo, layer = torch.randint(2, (2, count), generator=generator)
    avatar = avatar_of(source, faces, random_photos(seed), photo, layer)
    thick = torch.rand(count, generator=generator) < 0.5
    solid = find_solid_faces(source[None], faces, photo, thick, avatar.photos)
    return replace(avatar, thick=thick, solid=solid), vertices


def grid_mesh(rows: int, columns: int, seed: int, shake: float = 0.3) -> tuple[Tensor, Tensor]:
    """A square of cells with shaken inner vertices: image points [V, 2] and faces."""
    x, y = torch.meshgrid(torch.arange(columns + 1.0), torch.arange(rows + 1.0), indexing="xy")
    inside = ((x > 0) & (x < columns) & (y > 0) & (y < rows))[..., None]
    noise = (torch.rand(*x.shape, 2, generator=torch.Generator().manual_seed(seed)) * 2 - 1) * shake
    points = (torch.stack([x, y], -1) + noise * inside) / torch.tensor([columns, rows]) * 2 - 1
    corner = (torch.arange(rows)[:, None] * (columns + 1) + torch.arange(columns)).flatten()
    across = corner + columns + 2
    faces = torch.cat([torch.stack([corner, corner + 1, across], 1), torch.stack([corner, across, across - 1], 1)])
    return points.flatten(0, 1), faces


def at_depth(points: Tensor, depth: float = 2.0) -> Tensor:
    return torch.cat([points, torch.full((len(points), 1), depth)], 1)


@pytest.fixture(scope="module", autouse=True)
def compiled_kernels():
    """Compile before the first test, which would else take seconds."""
    avatar, vertices = random_scene(0)
    draw_avatar(avatar, vertices, (8, 8))
    draw_avatar_into(torch.zeros(8, 8, 3, dtype=torch.uint8), avatar, vertices)


@every_compiled
@pytest.mark.parametrize("seed", range(6))
def test_kernels_agree_with_the_reference(compiled, seed):
    avatar, vertices = random_scene(seed)
    assert avatar.solid.any()
    assert not avatar.solid.all()
    reference, drawn = (render(avatar, vertices, (61, 43)) for render in (render_torch, compiled))
    assert ((reference - drawn).abs().amax(-1) <= 1).float().mean() >= 0.999
    assert (reference[..., 3] > 0).float().mean() > 0.5


@every_compiled
def test_kernels_agree_with_the_reference_on_faces_that_fade_to_another_photo(compiled):
    avatar, vertices = random_scene(2)
    faces = torch.arange(0, len(avatar.faces), 2)
    some, other = torch.zeros_like(faces), 1 - avatar.photo[faces]
    lift = torch.rand(len(faces), generator=torch.Generator().manual_seed(1))
    faded = replace(avatar, contacts=ContactFaces(faces, some, some, lift, other, lift))
    plain, reference, drawn = (
        render(one, vertices, (61, 43))
        for render, one in ((render_torch, avatar), (render_torch, faded), (compiled, faded))
    )
    assert ((reference - drawn).abs().amax(-1) <= 1).float().mean() >= 0.999
    assert ((reference - plain).abs().amax(-1) > 10).float().mean() > 0.1
    assert_close(reference[..., 3], plain[..., 3])


@every_compiled
def test_kernels_agree_with_the_reference_on_faces_that_read_another_place_of_another_photo(compiled):
    avatar, vertices = random_scene(3)
    faces = torch.arange(0, len(avatar.faces), 2)
    source = torch.rand(len(faces), 3, 2, generator=torch.Generator().manual_seed(2)) * 1.6 - 0.8
    head = HeadFaces(faces, source, 1, 0, torch.zeros(3), torch.tensor(0.75))
    turned = replace(avatar, head=head)
    plain, reference, drawn = (
        render(one, vertices, (61, 43))
        for render, one in ((render_torch, avatar), (render_torch, turned), (compiled, turned))
    )
    assert ((reference - drawn).abs().amax(-1) <= 1).float().mean() >= 0.999
    assert ((reference - plain).abs().amax(-1) > 10).float().mean() > 0.1


@pytest.mark.parametrize("channels", [3, 4])
def test_blending_agrees_with_the_reference(channels):
    avatar, vertices = random_scene(0)
    picture = random_photos(9, (61, 43), 1)[0, ..., :channels].contiguous()
    expected = picture.clone()
    blend_window(expected, render_torch(avatar, vertices, (61, 43)))
    draw_avatar_into(picture, avatar, vertices)
    assert ((picture.int() - expected.int()).abs().amax(-1) <= 1).float().mean() >= 0.999


def test_solid_faces_are_drawn_as_if_their_alpha_were_read():
    avatar, vertices = random_scene(1)
    unaware = replace(avatar, solid=torch.zeros_like(avatar.solid))
    assert avatar.solid.any()
    assert_close(vars(draw_avatar(avatar, vertices, (61, 43))), vars(draw_avatar(unaware, vertices, (61, 43))))


@every_renderer
def test_the_photos_own_pose_gives_the_photo_back(render):
    photos = random_photos(2, (60, 44), 1)
    photos[..., 3] = 255
    points, faces = grid_mesh(7, 5, 3)
    tilted = torch.cat([points, 2 + points[:, :1]], 1)  # depth changes nothing: the photo's points are projected
    avatar = avatar_of(points, faces, photos)
    assert avatar.solid.all()
    window = render(avatar, tilted, (60, 44))
    assert_close(window, photos[0].float(), atol=0.1, rtol=0)
    picture = torch.zeros(60, 44, 3, dtype=torch.uint8)
    draw_avatar_into(picture, avatar, tilted)
    assert torch.equal(picture, photos[0, ..., :3])


def test_the_photos_own_pose_keeps_its_soft_alpha():
    photos = random_photos(3, (60, 44), 1)
    points, faces = grid_mesh(7, 5, 4)
    drawn = draw_avatar(avatar_of(points, faces, photos), at_depth(points), (60, 44))
    truth = photos[0].permute(2, 0, 1) / 255
    error = (drawn.colour * drawn.cover - truth[:3] * truth[3:]).square().mean()
    assert -10 * error.log10() > 42
    assert (drawn.cover - truth[3:]).abs().max() < 0.06  # below 8 of 255 nothing is drawn, above 243 it is opaque


@every_renderer
@pytest.mark.parametrize("flip", [False, True], ids=["soft-in-front", "solid-in-front"])
def test_a_translucent_sheet_mixes_with_what_is_behind_it(render, flip):
    photos = torch.cat([plain_photo((200, 100, 0)), plain_photo((0, 50, 250), 102)])
    points, faces = SQUARE.repeat(2, 1), torch.cat([SQUARE_FACES, SQUARE_FACES + 4])
    depths = torch.tensor([1.0, 2.0] if flip else [2.0, 1.0]).repeat_interleave(4)
    avatar = avatar_of(points, faces, photos, photo=torch.tensor([0, 0, 1, 1]))
    window = render(avatar, torch.cat([points, depths[:, None]], 1), (6, 5))
    mixed = torch.tensor([120.0, 80, 100, 255])  # 0.6 of the one, 0.4 of the other
    assert_close(window, (torch.tensor([200.0, 100, 0, 255]) if flip else mixed).expand(6, 5, 4), atol=0.01, rtol=0)


@every_renderer
def test_thick_faces_are_cut_where_half_transparent(render):
    photos = plain_photo((10, 20, 30), 140)
    avatar = avatar_of(SQUARE, SQUARE_FACES, photos)
    assert_close(render(avatar, at_depth(SQUARE), (3, 3))[..., 3], torch.full((3, 3), 140.0))
    thick = replace(avatar, thick=~avatar.thick)
    assert_close(render(thick, at_depth(SQUARE), (3, 3))[..., 3], torch.full((3, 3), 255.0))


@pytest.mark.parametrize(("depth", "nearer"), [(2.4, True), (2.6, False)])
def test_the_bias_changes_what_is_seen_but_moves_nothing(depth, nearer):
    photos = torch.cat([plain_photo((200, 0, 0)), plain_photo((0, 0, 200))])
    small = SQUARE * 0.5
    points, faces = torch.cat([SQUARE, small]), torch.cat([SQUARE_FACES, SQUARE_FACES + 4])
    which = torch.tensor([0, 0, 1, 1])
    avatar = avatar_of(points, faces, photos, photo=which, layer=which)
    vertices = torch.cat([at_depth(SQUARE), at_depth(small, depth)])
    expected = torch.zeros(8, 8, dtype=torch.bool)
    expected[2:6, 2:6] = nearer  # half the picture's width, for every depth and bias
    assert torch.equal(draw_avatar(avatar, vertices, (8, 8)).colour[2] > 0, expected)
    plain = replace(avatar, bias=torch.zeros(2))
    assert not (draw_avatar(plain, vertices, (8, 8)).colour[2] > 0).any()


@settings(max_examples=30, deadline=None)
@given(st.floats(-2, 2, width=32), st.floats(-2, 2, width=32), st.floats(0.25, 3, width=32), st.integers(0, 99))
def test_faces_that_share_edges_leave_no_gap(right, down, scale, seed):
    points, faces = grid_mesh(5, 6, seed)
    placed = points * scale + torch.tensor([right, down]) / 20
    cover = draw_avatar(avatar_of(points, faces, plain_photo((255, 255, 255))), at_depth(placed), (40, 30)).cover
    place = (torch.arange(1200)[:, None] // torch.tensor([1, 30]) % torch.tensor([30, 40]) + 0.5) / 0.5
    place = place / torch.tensor([30, 40]) - 1
    reach = scale - 1 / torch.tensor([30, 40])  # a pixel is inside if its sides are
    inside = ((place - torch.tensor([right, down]) / 20).abs() < reach).all(1).view(1, 40, 30)
    assert torch.equal(cover[inside], torch.ones(int(inside.sum())))
    assert inside.any()


def first_faces(avatar: Avatar, count: int) -> dict[str, Tensor]:
    return {name: getattr(avatar, name)[:count] for name in ("photo", "layer", "thick", "solid")}


def test_each_sample_belongs_to_one_of_the_faces_around_a_vertex():
    points, faces = grid_mesh(4, 4, 7)
    avatar = avatar_of(points, faces, plain_photo((255, 255, 255)))
    vertices = at_depth(points.mul(64).round() / 64)  # vertices and edges on centres of samples
    alone = [replace(avatar, faces=face[None], **first_faces(avatar, 1)) for face in faces]
    total = sum(draw_avatar(one, vertices, (32, 32)).cover for one in alone)
    assert torch.equal(total, torch.ones(1, 32, 32))


def test_a_mirrored_avatar_gives_the_mirrored_picture():
    avatar, vertices = random_scene(5)
    flip = torch.tensor([-1.0, 1.0])
    mirrored = replace(avatar, source=avatar.source * flip, photos=avatar.photos.flip(2).contiguous())
    drawn = draw_avatar(avatar, vertices, (61, 43))
    other = draw_avatar(mirrored, vertices * torch.tensor([-1.0, 1, 1]), (61, 43))
    for one, two in ((drawn.colour, other.colour), (drawn.cover, other.cover)):
        assert ((one - two.flip(-1)).abs() <= 1 / 255).float().mean() >= 0.999


@pytest.mark.parametrize("channels", [3, 4])
def test_drawing_touches_nothing_outside_the_cover(channels):
    avatar, vertices = random_scene(6, 4)
    vertices = vertices * torch.tensor([0.5, 0.5, 1]) + torch.tensor([0.3, -0.2, 0])
    picture = random_photos(7, (61, 43), 1)[0, ..., :channels].contiguous()
    before = picture.clone()
    draw_avatar_into(picture, avatar, vertices)
    cover = draw_avatar(avatar, vertices, (61, 43)).cover[0]
    assert torch.equal(picture[cover == 0], before[cover == 0])
    assert not torch.equal(picture[cover == 1], before[cover == 1])


def test_an_empty_picture_receives_colours_and_alpha():
    avatar, vertices = random_scene(8)
    picture = torch.zeros(61, 43, 4, dtype=torch.uint8)
    draw_avatar_into(picture, avatar, vertices)
    drawn = draw_avatar(avatar, vertices, (61, 43))
    expected = torch.cat([drawn.colour, drawn.cover]).permute(1, 2, 0) * 255
    assert (picture - expected).abs().max() <= 0.51


@pytest.mark.parametrize(
    "change",
    [
        pytest.param(lambda v: v + torch.tensor([9.0, 0, 0]), id="beside-the-picture"),
        pytest.param(lambda v: v * torch.tensor([1, 1, NEAR_PLANE / 4]), id="nearer-than-the-near-plane"),
        pytest.param(lambda v: v * torch.nan, id="not-finite"),
        pytest.param(lambda v: v[:1].expand_as(v), id="without-area"),
    ],
)
def test_what_cannot_be_seen_is_not_drawn(change):
    avatar, vertices = random_scene(0)
    drawn = draw_avatar(avatar, change(vertices).contiguous(), (20, 20))
    assert not drawn.cover.any()
    picture = torch.full((20, 20, 3), 7, dtype=torch.uint8)
    draw_avatar_into(picture, avatar, change(vertices).contiguous())
    assert (picture == 7).all()


def test_a_vertex_that_is_not_finite_spoils_no_other_face():
    avatar, vertices = random_scene(2)
    spoiled = vertices.clone()
    spoiled[0], spoiled[3, 0], spoiled[6, 2] = torch.nan, -torch.inf, torch.inf
    kept = replace(avatar, faces=avatar.faces.clone())
    kept.faces[:3] = 0  # no area
    assert_close(
        draw_avatar(avatar, spoiled, (30, 30)).cover, draw_avatar(kept, vertices, (30, 30)).cover, atol=1e-3, rtol=0
    )


def test_faces_seen_from_the_side_keep_their_own_colours():
    photos = random_photos(4, (16, 16), 1)
    photos[..., :3], photos[..., 3] = 0, 255
    photos[:, :, 8:, 0] = 255  # red on the right
    source = torch.tensor([[-0.9, -1], [-0.2, -1], [-0.2, 1], [-0.9, 1]])  # from the left
    thin = torch.tensor([0.011, 1.0]) * SQUARE  # a tenth of a pixel: colours at its centre would be read far outside
    drawn = draw_avatar(avatar_of(source, SQUARE_FACES, photos), at_depth(thin + torch.tensor([0.025, 0])), (20, 20))
    assert drawn.cover.max() == 0.5  # one of the two columns of samples
    assert not drawn.colour.any()


def test_solid_faces_have_no_translucent_texel():
    photos = plain_photo((0, 0, 0)).repeat(2, 4, 4, 1)  # 16 x 16 texels
    photos[1, 3, 11, 3] = 200
    source = torch.tensor([[0.1, -0.9], [0.9, -0.9], [0.9, -0.1], [-0.9, 0.1], [-0.1, 0.9], [-0.9, 0.9]])
    faces = torch.tensor([[0, 1, 2], [0, 1, 2], [0, 1, 2], [3, 4, 5]])
    photo, thick = torch.tensor([0, 1, 1, 1]), torch.tensor([False, False, True, False])
    assert find_solid_faces(source[None], faces, photo, thick, photos).tolist() == [True, False, True, True]


def closed_sheets(seed: int) -> tuple[Avatar, Tensor]:
    """A cushion: a front sheet, and a back sheet whose corners go round the other way, with a soft hem around."""
    points, faces = grid_mesh(30, 20, seed)
    bulge = (1 - points.square()).clamp(min=0).prod(1).sqrt()
    photos = random_photos(seed, (120, 80))
    photos[..., 10:-10, 8:-8, 3] = 255
    vertices = torch.cat([torch.cat([points, (2 + side * 0.1 * bulge)[:, None]], 1) for side in (-1, 1)])
    both = torch.cat([faces, faces.flip(1) + len(points)])
    photo = torch.arange(2).repeat_interleave(len(faces))
    return avatar_of(points.repeat(2, 1), both, photos, photo), vertices * torch.tensor([0.9, 0.9, 1])


@every_compiled
@pytest.mark.parametrize("seed", range(3))
def test_small_faces_agree_with_the_reference(compiled, seed):
    avatar, vertices = closed_sheets(seed)
    reference, drawn = (render(avatar, vertices, (171, 123)) for render in (render_torch, compiled))
    assert ((reference - drawn).abs().amax(-1) <= 1).float().mean() >= 0.999
    assert avatar.solid.float().mean() > 0.5


@pytest.mark.parametrize("scene", [random_scene, closed_sheets])
def test_the_order_of_faces_changes_nothing(scene):
    avatar, vertices = scene(3)
    drawn = draw_avatar(avatar, vertices, (171, 123))
    order = torch.randperm(len(avatar.faces), generator=torch.Generator().manual_seed(0))
    shuffled = {name: getattr(avatar, name)[order] for name in ("faces", "photo", "layer", "thick", "solid")}
    assert_close(vars(draw_avatar(replace(avatar, **shuffled), vertices, (171, 123))), vars(drawn), atol=0, rtol=0)


@pytest.mark.parametrize("scene", [random_scene, closed_sheets])
def test_the_way_that_corners_go_round_changes_nothing(scene):
    avatar, vertices = scene(4)
    drawn = draw_avatar(avatar, vertices, (171, 123))
    turned = draw_avatar(replace(avatar, faces=avatar.faces[:, [0, 2, 1]]), vertices, (171, 123))
    assert ((drawn.colour - turned.colour).abs().amax(0) <= 1 / 255).float().mean() >= 0.999
    assert ((drawn.cover - turned.cover).abs() <= 1 / 255).float().mean() >= 0.999


def test_what_a_closed_surface_hides_does_not_show():
    avatar, vertices = closed_sheets(5)
    avatar = replace(avatar, solid=torch.ones_like(avatar.solid))
    front = replace(avatar, faces=avatar.faces[: len(avatar.faces) // 2], **first_faces(avatar, len(avatar.faces) // 2))
    drawn, alone = (draw_avatar(one, vertices, (171, 123)) for one in (avatar, front))
    assert torch.equal(drawn.colour, alone.colour)


def test_the_first_of_two_faces_in_the_same_place_is_seen():
    photos = torch.cat([plain_photo((200, 0, 0)), plain_photo((0, 0, 200))])
    for which in ([0, 0, 1, 1], [1, 1, 0, 0]):
        twice = SQUARE_FACES.repeat(2, 1)
        avatar = avatar_of(SQUARE, twice, photos, photo=torch.tensor(which))
        for render in (AVATAR_RENDERERS["torch"], AVATAR_RENDERERS["numba"]):
            assert (render(avatar, at_depth(SQUARE), (6, 5))[..., 2 * which[0]] == 200).all()
