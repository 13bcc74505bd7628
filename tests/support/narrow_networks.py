"""Published networks with few channels."""

from dataclasses import replace

from motion_imitate.generators.dense_pose_transfer import DENSE_POSE_FORMS
from motion_imitate.generators.liquid_warping import NETWORK_SHAPES


def narrow(name, width=4):
    """The same, with few channels."""
    shape = NETWORK_SHAPES[name]
    nets = {part: getattr(shape, part) for part in ("source", "target", "background")}
    return replace(shape, **{part: net and replace(net, width=width) for part, net in nets.items()})


def narrow_dense_pose(form, atlas=8):
    """The networks of Dense Pose Transfer with few channels and texels."""
    config = DENSE_POSE_FORMS[form]
    return replace(
        config,
        predictive=replace(config.predictive, width=4),
        inpainting=replace(config.inpainting, width=2 * config.inpainting.groups),
        blending=replace(config.blending, width=4),
        atlas=atlas,
    )
