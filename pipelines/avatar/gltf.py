"""Encode the person of a photo as a binary glTF file: textured, skinned, and animated if there is a motion.

The person stands in the photo's pose, feet at y = 0, and looks along z. A camera of the file sees them as the photo.
"""

from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from motion_imitate.avatar.avatar import THICK_ALPHA, Avatar, points_to_texels
from motion_imitate.avatar.parsing_net import LAYER_NAMES
from motion_imitate.avatar.photo_layers import LAYERS
from motion_imitate.avatar.portable import make_portable
from motion_imitate.avatar.pose import avatar_moves
from motion_imitate.bodies.skinning import rest_shape
from motion_imitate.geometry.camera import NEAR_PLANE, flip_camera_axes
from motion_imitate.geometry.rotations import matrix_to_quaternion
from motion_imitate.person import AvatarAppearance, Person
from motion_imitate.types import Body, BodyModel, Camera, Motion
from pipelines.gltf import (
    ARRAY_BUFFER,
    AnyArray,
    GltfBuffer,
    NodeTracks,
    animation_channels,
    find_ground,
    pack_glb,
    skeleton_nodes,
    skin_of_joints,
)
from pipelines.provenance import avatar_tags

PAGE_NAMES = (*(LAYER_NAMES[1 + layer] for layer in LAYERS), "trunk_back")  # of textures; others are the body's
HAND_NODES = ("body hand", "body forearm", "photo hand", "photo forearm", "photo elbow")
TEXTURE_MARGIN = 4  # texels around those that faces show
UNLIT = "KHR_materials_unlit"
LINEAR, LINEAR_MIPMAP_LINEAR, CLAMP_TO_EDGE = 9729, 9987, 33071
LEAST_SCALE = 1e-4  # of a node; smaller ones have no rotation of their own


@dataclass(frozen=True)
class AvatarSkeleton:
    """The joints of an avatar: those of the body, then those of hands that take the place of the photo's."""

    names: tuple[str, ...]
    parents: tuple[int, ...]
    rest: Float[Tensor, "M 3"]

    @classmethod
    def of(cls, avatar: Avatar, model: BodyModel, shape: Float[Tensor, "1 S"]) -> "AvatarSkeleton":
        """The skeleton of an avatar of a body of that shape."""
        names, parents = list(model.joint_names), list(model.skin.parents)
        for hand in avatar.body_hands:
            wrist = model.joint_names[hand.wrist]
            names += [f"{wrist} {part}" for part in HAND_NODES]
            parents += hand.carriers(model.skin.parents)
        carried = [*range(len(model.skin.parents)), *parents[len(model.skin.parents) :]]
        return cls(tuple(names), tuple(parents), rest_shape(model.skin, shape)[1][0, carried])


def encode_avatar(person: Person, motion: Motion | None, name: str) -> bytes:
    """The avatar of the first photo; `motion` is retargeted to the person."""
    assert isinstance(person.appearance, AvatarAppearance)
    model, body, camera = person.model, person.source.body[:1], person.source.camera[:1]
    size = (person.source.image.shape[2], person.source.image.shape[3])
    avatar = make_portable(person.appearance.avatars[0], model, body, camera, size)
    skeleton = AvatarSkeleton.of(avatar, model, body.shape)
    ground, buffer = find_ground(model, body, camera), GltfBuffer()
    count = len(skeleton.names)
    still = place_skeleton(avatar, model, skeleton, body, camera, ground)
    document: dict[str, Any] = {
        "extensionsUsed": [UNLIT],
        "scene": 0,
        "scenes": [{"name": name, "nodes": [0, count, count + 1]}],
        "nodes": [
            *skeleton_nodes(skeleton.names, skeleton.parents, still),
            {"name": name, "mesh": 0, "skin": 0},
            {"name": "photo", "camera": 0, "translation": (-ground).tolist()},
        ],
        "cameras": [photo_camera(camera)],
        "skins": [skin_of_joints(skeleton.rest.double().numpy(), buffer)],
        **textured_meshes(avatar, name, buffer),
    }
    if motion is not None:
        tracks = place_skeleton(avatar, model, skeleton, motion.body, motion.camera, ground)
        seconds = (motion.seconds - motion.seconds[0]).numpy()
        document["animations"] = [{"name": "motion", **animation_channels(tracks, still, seconds, buffer)}]
    return pack_glb(document, buffer, extras=avatar_tags(motion is not None))


def photo_camera(camera: Camera) -> dict[str, Any]:
    """The lens of the photo."""
    wide, high = camera.focal[0].tolist()
    lens = {"aspectRatio": high / wide, "yfov": 2 * float(np.arctan(1 / high)), "znear": NEAR_PLANE}
    return {"name": "photo", "type": "perspective", "perspective": lens}


def place_skeleton(
    avatar: Avatar,
    model: BodyModel,
    skeleton: AvatarSkeleton,
    body: Body,
    camera: Camera,
    ground: Float[Tensor, "3"],
) -> NodeTracks:
    """Where the joints are in poses, relative to their parents."""
    moves = avatar_moves(avatar, model, body).joints.double()
    places = (moves[..., :3] @ skeleton.rest.double()[:, :, None])[..., 0] + moves[..., 3]
    scale = torch.ones(moves.shape[:2], dtype=moves.dtype)
    hands = slice(len(model.skin.parents), None)
    scale[:, hands] = torch.linalg.det(moves[:, hands, :, :3]).clamp(min=0) ** (1 / 3)
    above = [max(parent, 0) for parent in skeleton.parents]
    turns = moves[..., :3] / scale.clamp(min=LEAST_SCALE)[..., None, None]
    turns = torch.where((scale < LEAST_SCALE)[..., None, None], turns[:, above], turns)
    back = turns[:, above].mT.clone()
    back[:, 0] = torch.eye(3).to(back)
    away = places - places[:, above]
    away[:, 0] = places[:, 0] + (flip_camera_axes(camera.place) - ground)
    return NodeTracks.of(
        (back @ away[..., None])[..., 0].numpy(),
        matrix_to_quaternion(back @ turns).numpy(),
        scale[..., None].expand(-1, -1, 3).numpy(),
    )


def textured_meshes(avatar: Avatar, name: str, buffer: GltfBuffer) -> dict[str, Any]:
    """One mesh, with its materials, textures and images: a texture per page of the avatar.

    Faces with thickness are cut out where they are transparent; flat strips, which carry soft outlines, are blended.
    """
    primitives, materials, textures, images = [], [], [], []
    soft = ~(avatar.thick | avatar.solid)
    pages = [int(page) for page in avatar.photo.unique()]
    for number, page in enumerate(pages):
        mine = avatar.photo == page
        png, points = crop_texture(avatar, page, avatar.faces[mine].unique())
        textures.append({"source": number, "sampler": 0})
        images.append({"bufferView": buffer.add_bytes(png), "mimeType": "image/png"})
        for blended in (False, True):
            chosen = mine & (soft == blended)
            if chosen.any():
                looks = "_soft" if blended else ""
                materials.append(
                    {
                        "name": page_name(page) + looks,
                        "doubleSided": True,
                        "pbrMetallicRoughness": {"baseColorTexture": {"index": number}, "metallicFactor": 0},
                        "extensions": {UNLIT: {}},
                        **({"alphaMode": "BLEND"} if blended else mask_mode()),
                    }
                )
                primitives.append(mesh_primitive(avatar, points, avatar.faces[chosen], len(materials) - 1, buffer))
    sampler = {"magFilter": LINEAR, "minFilter": LINEAR_MIPMAP_LINEAR, "wrapS": CLAMP_TO_EDGE, "wrapT": CLAMP_TO_EDGE}
    return {
        "meshes": [{"name": name, "primitives": primitives}],
        "materials": materials,
        "textures": textures,
        "images": images,
        "samplers": [sampler],
    }


def page_name(page: int) -> str:
    """What a texture shows."""
    return PAGE_NAMES[page] if page < len(PAGE_NAMES) else f"body_{page - len(PAGE_NAMES) + 1}"


def mask_mode() -> dict[str, Any]:
    """Alpha of faces with thickness: all or nothing, as `draw` has it."""
    return {"alphaMode": "MASK", "alphaCutoff": (THICK_ALPHA + 0.5) / 255}


def crop_texture(avatar: Avatar, page: int, vertices: Int[Tensor, " K"]) -> tuple[bytes, Float[Tensor, "V 2"]]:
    """A page around what vertices show, as PNG, and all vertices' texture coordinates there."""
    height, width = avatar.photos.shape[1:3]
    texels = points_to_texels(avatar.source, (height, width)) + 0.5
    limit = texels.new_tensor([width, height])
    low = (texels[vertices].amin(0).floor() - TEXTURE_MARGIN).clamp(min=0).minimum(limit - 1)
    high = (texels[vertices].amax(0).ceil() + TEXTURE_MARGIN).clamp(min=1).minimum(limit)
    (left, top), (right, bottom) = low.int().tolist(), high.int().tolist()
    image = avatar.photos[page, top:bottom, left:right].numpy()
    _, data = cv2.imencode(".png", image[..., [2, 1, 0, 3]])
    return data.tobytes(), (texels - low) / (high - low)


def mesh_primitive(
    avatar: Avatar, points: Float[Tensor, "V 2"], faces: Int[Tensor, "F 3"], material: int, buffer: GltfBuffer
) -> dict[str, Any]:
    """A mesh primitive of some faces, with texture coordinates `points`."""
    vertices, index = faces.unique(return_inverse=True)
    kind = "u1" if int(avatar.joints.max()) < 256 else "u2"
    attributes: dict[str, AnyArray] = {
        "TEXCOORD_0": points[vertices].numpy().astype("f4"),
        "JOINTS_0": torch.where(avatar.weights > 0, avatar.joints, 0)[vertices].numpy().astype(kind),
        "WEIGHTS_0": avatar.weights[vertices].numpy().astype("f4"),
    }
    position = buffer.add(avatar.rest[vertices].numpy().astype("f4"), ARRAY_BUFFER, bounds=True)
    return {
        "attributes": {"POSITION": position} | {k: buffer.add(rows, ARRAY_BUFFER) for k, rows in attributes.items()},
        "indices": buffer.add_indices(index.numpy(), len(vertices)),
        "material": material,
    }
