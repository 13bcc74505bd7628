"""Labelled people in generated or borrowed clothes, with skirts, coats, hats and bags."""

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from motion_imitate.bodies.skinning import SkinnedBody, rest_shape
from motion_imitate.synthesis import borrowed, complexion, fabrics, hair, outfits
from motion_imitate.synthesis.actor import MeshLayer, assemble_actor, uncovered_faces
from motion_imitate.synthesis.closet import (
    ClothingSettings,
    build_item_layer,
    rest_joint_array,
    rest_mark_vertices,
    sample_body_shape,
)
from motion_imitate.synthesis.figure import MeasuredBody, measure_body
from motion_imitate.synthesis.held_out import HeldOutSplit
from motion_imitate.synthesis.labels import (
    CARRIED,
    FACE,
    HAIR,
    LOWER,
    ONE_PIECE,
    SHOES,
    UPPER,
    LabelledActor,
    LabelledLayer,
    label_actor,
    label_skin,
)
from motion_imitate.synthesis.outerwear import add_coat, add_open_jacket, build_hanging_cloth
from motion_imitate.synthesis.outfits import Outfit, OutfitItem
from motion_imitate.synthesis.person import FIRST_EYEBALL_VERTEX, SkinTuck, tuck_skin
from motion_imitate.synthesis.shells import FAR_FROM_EDGE, ClothPiece, build_ring_cloth, cut_cloth, reach_by_angle
from motion_imitate.synthesis.wardrobe import garment_weights, hang_garment

PALE_COLOURS = ((0.93, 0.92, 0.9), (0.9, 0.86, 0.78), (0.84, 0.76, 0.64), (0.76, 0.64, 0.5), (0.68, 0.54, 0.42))
BORROWED_SKIRTS = ("female_elegantsuit01",)  # suits of MakeHuman's whose lower half is a skirt


@dataclass(frozen=True)
class CostumeHabits:
    """Probabilities of garments and accessories."""

    styles: tuple[tuple[str, float], ...] = (
        ("trousers", 0.25),
        ("wide", 0.15),
        ("shorts", 0.1),
        ("skirt", 0.18),
        ("dress", 0.22),
        ("jumpsuit", 0.1),
    )
    coat: float = 0.2
    jacket: float = 0.22  # an open one
    tunic: float = 0.08
    plain: float = 0.35  # tops, dresses and jumpsuits of one colour
    skin_coloured: float = 0.3  # of these, in a colour like the person's skin or in beige, cream or white
    belt: float = 0.25  # of dresses and jumpsuits
    hat: float = 0.08
    bag: float = 0.2
    draped: float = 0.3  # long hair in front of the shoulders
    skirted: float = 0.12  # of people in borrowed clothes, a generated skirt over them
    covered: float = 0.2  # of people in borrowed clothes, a generated coat or jacket over them


@dataclass(frozen=True)
class LabelledCostume:
    """Clothes with the kind of each item."""

    outfit: Outfit
    kinds: tuple[int, ...]

    def add(self, outfit: Outfit, kind: int) -> "LabelledCostume":
        """Replace the outfit; the items it adds are of this kind."""
        return LabelledCostume(outfit, (*self.kinds, *[kind] * (len(outfit.items) - len(self.outfit.items))))


def make_labelled_person(
    body: SkinnedBody,
    random: np.random.Generator,
    how: ClothingSettings = ClothingSettings(),
    habit: CostumeHabits = CostumeHabits(),
) -> LabelledActor:
    """A dressed person with labels; the same for the same state of `random`."""
    who = measure_body(body, sample_body_shape(random, len(body.skin.shape_dirs)))
    if how.wardrobe is not None and random.random() >= how.own:
        layers = borrow_labelled_layers(random, who, how.wardrobe, how.part, habit)
    else:
        layers = make_labelled_layers(random, who, habit)
    actor = assemble_actor(
        body, who.shape, rest_joint_array(who), [one.mesh for one in layers], rest_mark_vertices(who)
    )
    return label_actor(body, actor, layers)


def label_layer(mesh: MeshLayer, kind: int, hanging: Tensor | None = None) -> LabelledLayer:
    """A mesh whose faces are all of one kind."""
    count = len(mesh.faces)
    hangs = torch.zeros(count, dtype=torch.bool) if hanging is None else hanging
    return LabelledLayer(mesh, torch.full((count,), kind, dtype=torch.uint8), hangs)


def make_labelled_layers(random: np.random.Generator, who: MeasuredBody, habit: CostumeHabits) -> list[LabelledLayer]:
    """Skin, generated clothes, hair and accessories."""
    tone, shade = complexion.sample_skin_tone(random), hair.sample_hair_colour(random)
    costume = sample_costume(random, who, habit, tone)
    locks, scalp = hair.make_hair(random, who, shade)
    texture = complexion.paint_skin_texture(random, who, tone, shade, scalp)
    seen = uncovered_faces(who.body.faces, costume.outfit.hidden)
    body = who.body
    skin = MeshLayer(
        *("skin", who.base.at, who.base.weights, body.faces[seen], body.uv[seen]),
        *(body.parts[seen], body.iuv[seen], texture),
    )
    made = [LabelledLayer(skin, label_skin(who, skin.faces, scalp), torch.zeros(len(skin.faces), dtype=torch.bool))]
    for item, kind in zip(costume.outfit.items, costume.kinds, strict=True):
        made.append(label_item(who, item, kind))
    made += [label_item(who, item, HAIR) for item in locks]
    return made + add_accessories(random, who, shade, bool((scalp > 0).any()), habit)


def label_item(who: MeasuredBody, item: OutfitItem, kind: int) -> LabelledLayer:
    """The mesh of an item of clothing or hair, labelled."""
    mesh = build_item_layer(who, item)
    hip = float(who.joints["upperleg01.L"][1])
    round_both = "hanging" in item.kind
    low = mesh.at[mesh.faces, 1].mean(1) < hip - 0.01
    return label_layer(replace(mesh, kind=item.kind.removeprefix("hanging ")), kind, low & round_both)


def add_accessories(
    random: np.random.Generator, who: MeasuredBody, shade: Float[np.ndarray, "3"], locks: bool, habit: CostumeHabits
) -> list[LabelledLayer]:
    """Hair in front of the shoulders, a hat and a bag, each with its probability."""
    made = []
    if locks and random.random() < habit.draped:
        strands = hair.paint_strands(random, shade)
        made += [
            label_item(who, OutfitItem("hair", piece, strands, 0.25), HAIR) for piece in build_draped_hair(random, who)
        ]
    if random.random() < habit.hat:
        made += [label_item(who, item, CARRIED) for item in build_hat_items(random, who)]
    if random.random() < habit.bag:
        made.append(label_item(who, build_bag_item(random, who), CARRIED))
    return made


def sample_costume(
    random: np.random.Generator, who: MeasuredBody, habit: CostumeHabits, tone: Float[np.ndarray, "3"]
) -> LabelledCostume:
    """Shoes, and a top with trousers, shorts or a skirt, or a dress; sometimes a coat or a jacket over them."""
    worn = LabelledCostume(Outfit([], who.base, torch.zeros(len(who.base.at), dtype=torch.bool)), ())
    names, often = zip(*habit.styles, strict=True)
    style = str(random.choice(names, p=np.array(often) / sum(often)))
    worn = worn.add(outfits.add_shoes(random, who, worn.outfit), SHOES) if random.random() < 0.93 else worn
    cloth = fabrics.make_denim_texture(random) if random.random() < 0.15 else fabrics.make_cloth_texture(random)
    dyed = replace(habit, skin_coloured=0.0) if style == "jumpsuit" else habit
    plain = sample_plain_cloth(random, tone, dyed) if random.random() < habit.plain else None
    tucked_in = random.random() < 0.35
    if style in ("dress", "jumpsuit"):
        cloth = cloth if plain is None else plain
        worn = worn.add(outfits.add_shirt(random, who, worn.outfit, True, cloth), ONE_PIECE)
        below = (
            add_flared_skirt(random, who, worn.outfit, cloth)
            if style == "dress"
            else add_long_trousers(random, who, worn.outfit, cloth, random.uniform(0, 0.06))
        )
        worn = worn.add(below, ONE_PIECE)
        worn = worn.add(add_belt(random, who, worn.outfit), ONE_PIECE) if random.random() < habit.belt else worn
    elif style == "skirt":
        over = random.random() < 0.25
        worn = worn if over else worn.add(outfits.add_shirt(random, who, worn.outfit, True, plain), UPPER)
        worn = worn.add(add_flared_skirt(random, who, worn.outfit, cloth), LOWER)
        worn = worn.add(outfits.add_shirt(random, who, worn.outfit, False, plain), UPPER) if over else worn
    else:
        worn = worn.add(outfits.add_shirt(random, who, worn.outfit, True, plain), UPPER) if tucked_in else worn
        if style == "wide":
            below = add_long_trousers(random, who, worn.outfit, cloth, random.uniform(0.03, 0.1))
        else:
            below = outfits.add_trousers(random, who, worn.outfit, style == "shorts")
        worn = worn.add(below, LOWER)
        worn = worn if tucked_in else worn.add(outfits.add_shirt(random, who, worn.outfit, False, plain), UPPER)
        if not tucked_in and random.random() < habit.tunic:
            worn = worn.add(add_tunic(random, who, worn.outfit), UPPER)
    return worn.add(add_outerwear(random, who, worn.outfit, habit), UPPER)


def add_outerwear(random: np.random.Generator, who: MeasuredBody, worn: Outfit, habit: CostumeHabits) -> Outfit:
    """A coat or an open jacket, each with its probability."""
    choice = random.random()
    if choice < habit.coat:
        return add_coat(random, who, worn)
    return add_open_jacket(random, who, worn) if choice < habit.coat + habit.jacket else worn


def sample_plain_cloth(random: np.random.Generator, tone: Float[np.ndarray, "3"], habit: CostumeHabits) -> np.ndarray:
    """Cloth of one colour, sometimes like skin or pale."""
    if random.random() >= habit.skin_coloured:
        return fabrics.make_plain_texture(random, fabrics.sample_clothing_colour(random))
    if random.random() < 0.5:
        colour = np.array(PALE_COLOURS[int(random.integers(len(PALE_COLOURS)))])
    else:
        colour = tone if random.random() < 0.5 else complexion.sample_skin_tone(random)
    return fabrics.make_plain_texture(random, np.clip(colour * random.uniform(0.85, 1.1), 0.02, 0.97))


def add_belt(random: np.random.Generator, who: MeasuredBody, worn: Outfit) -> Outfit:
    """A belt over the waist."""
    waist, at = float(who.joints["spine04"][1]), who.base.at
    middle, half = waist - random.uniform(0.0, 0.06), random.uniform(0.01, 0.03)
    cut = torch.where(who.arm, -FAR_FROM_EDGE, half - (at[:, 1] - middle).abs())
    cloth = fabrics.make_plain_texture(random, fabrics.sample_clothing_colour(random), 128)
    return outfits.add_garment(random, who, worn, cut, torch.full_like(cut, 0.018), 4, cloth)


def add_long_trousers(
    random: np.random.Generator, who: MeasuredBody, worn: Outfit, cloth: np.ndarray, wide: float
) -> Outfit:
    """Trousers that stand off the leg by `wide` metres at the hem."""
    at = who.base.at
    waist, hip, knee, ankle = (float(who.joints[j][1]) for j in ("spine04", "upperleg01.L", "lowerleg01.L", "foot.L"))
    hem = ankle + random.uniform(-0.03, 0.03) if random.random() < 0.75 else random.uniform(ankle + 0.05, knee)
    cut = torch.where(who.arm, -FAR_FROM_EDGE, torch.minimum(at[:, 1] - hem, waist + 0.02 - at[:, 1]))
    down = ((hip - at[:, 1]) / (hip - ankle)).clamp(0, 1)
    off = 0.006 + wide * (0.35 * (down > 0) * down.sqrt() + 0.65 * down)
    return outfits.add_garment(random, who, worn, cut, off, int(random.integers(6, 12)), cloth)


def add_flared_skirt(random: np.random.Generator, who: MeasuredBody, worn: Outfit, cloth: np.ndarray) -> Outfit:
    """A skirt of random length, flare and folds."""
    waist, hip, knee, ankle = (float(who.joints[j][1]) for j in ("spine04", "upperleg01.L", "lowerleg01.L", "foot.L"))
    length = random.random()
    hem = random.uniform(knee + 0.02, hip - 0.2) if length < 0.45 else random.uniform(ankle + 0.15, knee)
    hem = random.uniform(ankle - 0.02, ankle + 0.2) if length > 0.8 else hem
    flare = float(random.choice([0.0, 0.05, 0.15, 0.3])) + random.random() * 0.08
    piece = build_hanging_cloth(random, who, worn, (waist + 0.01, hem), flare, 0.012, 0.0)
    at = who.base.at
    over = ~who.arm & (at[:, 1] > hem + 0.1) & (at[:, 1] < waist - 0.03)
    return Outfit([*worn.items, OutfitItem("hanging clothes", piece, cloth)], worn.base, worn.hidden | over)


def add_tunic(random: np.random.Generator, who: MeasuredBody, worn: Outfit) -> Outfit:
    """The lower part of a long shirt, in the shirt's cloth."""
    waist, hip = (float(who.joints[j][1]) for j in ("spine04", "upperleg01.L"))
    ends = (waist + 0.03, hip - random.uniform(0.08, 0.28))
    piece = build_hanging_cloth(random, who, worn, ends, random.uniform(0, 0.12), 0.012, 0.0)
    return Outfit([*worn.items, OutfitItem("hanging clothes", piece, worn.items[-1].texture)], worn.base, worn.hidden)


def build_draped_hair(random: np.random.Generator, who: MeasuredBody) -> list[ClothPiece]:
    """Long hair in front of one or both shoulders."""
    eye, neck = float(who.points["eye_left"][1]), float(who.joints["neck01"][1])
    middle = torch.tensor([0.0, float(who.points["ear_left"][2]) - 0.015])
    sides = [(1,), (-1,), (1, -1), (1, -1)][int(random.integers(4))]
    end = random.uniform(neck - 0.38, neck - 0.08)
    heights = torch.linspace(eye + 0.03, end, 18)
    start, stop = random.uniform(0.55, 0.85), random.uniform(1.5, 2.0)
    pieces = []
    for side in sides:
        angles = side * torch.linspace(start, stop, 14)
        crown = who.base.at[who.head & (who.base.at[:, 1] > neck + 0.03)]
        head = reach_by_angle(crown, middle, heights.clamp(min=float(who.points["mouth_left"][1])), angles, 0.02)
        torso = reach_by_angle(who.base.at[~who.arm & ~who.head], middle, heights, angles, 0.02) + 0.022
        ahead = angles.cos().clamp(0, 1)
        reach = torch.maximum(head + 0.012, torch.minimum(torso, head + 0.03 + 0.12 * ahead))
        lock = torch.from_numpy(random.normal(0, 0.004, len(angles))).float()
        reach = reach + lock * torch.linspace(0.2, 1, len(heights))[:, None]
        ragged = torch.from_numpy(random.normal(0, 0.02, len(angles))).float()
        low = heights[:, None] + ragged * torch.linspace(0, 1, len(heights))[:, None]
        narrow = torch.linspace(1, random.uniform(0.6, 1), len(heights))[:, None]
        turned = angles[len(angles) // 2] + (angles - angles[len(angles) // 2]) * narrow
        place = torch.stack([reach * turned.sin(), low, middle[1] + reach * turned.cos()], -1)
        pieces.append(
            build_ring_cloth(
                place,
                hair.hair_joint_weights(who, place),
                False,
                0.15,
                float(heights[0]) - end,
                hair.back_of_head_face(who),
            )
        )
    return pieces


def build_hat_items(random: np.random.Generator, who: MeasuredBody) -> list[OutfitItem]:
    """A cap or a beanie, sometimes with a brim all round or in front."""
    edge = hair.hairline_distance(random, who, False) - random.uniform(0.0, 0.02)
    cloth = fabrics.make_cloth_texture(random, 256)
    crown = hair.build_hair_cap(random, who, edge, random.uniform(0.02, 0.05))
    items = [OutfitItem("clothes", cut_cloth(crown, who.base, edge), cloth, 0.5)]
    if random.random() < 0.6:
        eye, ear = float(who.points["eye_left"][1]), float(who.points["ear_left"][2])
        whole = random.random() < 0.5
        angles = torch.linspace(0, 2 * torch.pi, 33)[:-1] if whole else torch.linspace(-1.1, 1.1, 16)
        middle = torch.tensor([0.0, ear - 0.01])
        inner = reach_by_angle(crown[edge > 0], middle, torch.tensor([eye + 0.05]), angles, 0.03)[0]
        wide = random.uniform(0.05, 0.11) * (1 if whole else angles.cos().clamp(min=0.2))
        steps = torch.linspace(0, 1, 4)[:, None]
        reach = inner + steps * wide
        height = eye + 0.055 - steps * random.uniform(0, 0.03) + 0 * reach
        place = torch.stack([reach * angles.sin(), height, middle[1] + reach * angles.cos()], -1)
        items.append(
            OutfitItem(
                "clothes",
                build_ring_cloth(
                    place, hair.hair_joint_weights(who, place), whole, 0.3, 0.1, hair.back_of_head_face(who)
                ),
                cloth,
                0.5,
            )
        )
    return items


def build_bag_item(random: np.random.Generator, who: MeasuredBody) -> OutfitItem:
    """An object held in a hand, or a bag at the hip."""
    names, side = list(who.joints), str(random.choice(["L", "R"]))
    wrist, finger = who.joints[f"wrist.{side}"], who.joints[f"finger3-1.{side}"]
    if random.random() < 0.6:
        along = torch.nn.functional.normalize(finger - wrist, dim=0)
        size = np.array([random.uniform(0.02, 0.15), random.uniform(0.05, 0.18), random.uniform(0.01, 0.06)])
        centre, joint = finger + along * float(size[1] + random.uniform(-0.03, 0.06)), f"wrist.{side}"
    else:
        out = 1.0 if side == "L" else -1.0
        size = np.array([random.uniform(0.03, 0.06), random.uniform(0.08, 0.16), random.uniform(0.1, 0.17)])
        height = float(who.joints["upperleg01.L"][1]) + random.uniform(-0.15, 0.1)
        centre, joint = torch.tensor([out * (0.17 + float(size[0])), height, random.uniform(-0.05, 0.1)]), "spine05"
        along = torch.tensor([0.0, -1.0, 0.0])
    power = float(random.choice([1.0, 0.5, 0.3]))
    turn = torch.arange(24) * (2 * torch.pi / 24)
    rise = torch.linspace(-torch.pi / 2, torch.pi / 2, 14)[:, None]

    def bulge(value: Tensor) -> Tensor:
        return value.sign() * value.abs() ** power

    across = torch.nn.functional.normalize(torch.linalg.cross(along, torch.tensor([0.0, 0.1, 1.0])), dim=0)
    third = torch.linalg.cross(across, along)
    x, y, z = bulge(rise.cos()) * bulge(turn.cos()), bulge(rise.sin()) + 0 * turn, bulge(rise.cos()) * bulge(turn.sin())
    parts = [p[..., None] * float(s) * a for p, s, a in zip((x, y, z), size, (across, along, third), strict=True)]
    place = centre + parts[0] + parts[1] + parts[2]
    held = torch.zeros(*place.shape[:2], len(names))
    held[..., names.index(joint)] = 1
    nearest = int((who.body.parts == 2).nonzero()[0, 0])
    return OutfitItem(
        "shoes", build_ring_cloth(place, held, True, 0.6, 0.4, nearest), fabrics.make_cloth_texture(random, 256), 0.7
    )


def borrow_labelled_layers(
    random: np.random.Generator, who: MeasuredBody, folder: Path, part: HeldOutSplit, habit: CostumeHabits
) -> list[LabelledLayer]:
    """Skin, clothes and hair from a MakeHuman data folder, labelled."""
    mesh, body = borrowed.cached_makehuman_mesh(who.body.name), who.body
    base = rest_shape(mesh.skin, who.shape[None])[0][0]
    clothes = borrowed.choose_clothes(random, who, folder, part)
    locks, colour = random.random() >= borrowed.BALD_CHANCE, hair.sample_hair_colour(random)
    heads = borrowed.choose_eyes_and_hair(random, folder, colour, locks, part)
    worn = [*clothes, *heads]
    hung = [hang_garment(garment, base) for _, garment, _ in worn]
    cloth = [at for at, (kind, _, _) in zip(hung, worn, strict=True) if kind == "clothes"]
    naked = tuck_skin(who.base.at, body.faces, torch.cat(cloth), SkinTuck()) if cloth else who.base.at
    gone = torch.zeros(len(base), dtype=torch.bool)
    for _, garment, _ in worn:
        gone[garment.hides] = True
    seen = ~gone[mesh.places][body.faces].all(1) & ~(body.faces >= FIRST_EYEBALL_VERTEX).all(1)
    skin = borrowed.paint_wardrobe_skin(random, who, folder, colour, locks, part)
    edge = hair.hairline_distance(np.random.default_rng(0), who, False) if locks else None
    bare = MeshLayer(
        "skin", naked, who.base.weights, body.faces[seen], body.uv[seen], body.parts[seen], body.iuv[seen], skin
    )
    made = [LabelledLayer(bare, label_skin(who, bare.faces, edge), torch.zeros(len(bare.faces), dtype=torch.bool))]
    whole = sum(kind == "clothes" for kind, _, _ in worn) == 1
    lower = not whole
    for at, (kind, garment, paint) in zip(hung, worn, strict=True):
        layer = borrowed.build_garment_layer(who, kind, garment, at, garment_weights(garment, mesh.skin.weights), paint)
        if kind == "clothes" and whole:
            label = label_layer(layer, UPPER)
            below = layer.at[layer.faces, 1].mean(1) < float(who.joints["spine04"][1])
            made.append(replace(label, kind=torch.where(below, LOWER, UPPER).to(torch.uint8)))
        elif kind == "clothes":
            skirt = lower and garment.name in BORROWED_SKIRTS
            made.append(label_layer(layer, LOWER if lower else UPPER, torch.full((len(layer.faces),), skirt)))
            lower = False
        else:
            named = {"shoes": SHOES, "hair": HAIR, "eyes": FACE, "brows": FACE, "lashes": FACE}
            made.append(label_layer(layer, named[kind]))
    over, choice = replace(who.base, outer=who.base.at + 0.012 * who.base.normal), random.random()
    under = Outfit([], over, gone[mesh.places])
    if choice < habit.skirted:
        flared = add_flared_skirt(random, who, under, fabrics.make_cloth_texture(random))
        made.append(label_item(who, flared.items[-1], LOWER))
    elif choice < habit.skirted + habit.covered:
        thick = replace(under, base=replace(over, outer=over.outer + 0.012 * over.normal))
        coat = (add_coat if random.random() < 0.5 else add_open_jacket)(random, who, thick)
        made += [label_item(who, item, UPPER) for item in coat.items]
    return made + add_accessories(random, who, colour, locks, habit)
