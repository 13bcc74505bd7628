"""Initialise networks with EfficientNet-lite0's ImageNet weights."""

import torch
from torch import nn

from motion_imitate.avatar.parsing_net import ParsingNet
from motion_imitate.estimators.lite0 import FoldableConvolution, Lite0Encoder
from motion_imitate.training.backbones import LITE0_SHA256, find_lite0_file, lite0_layout
from motion_imitate.weights import load_third_party_tensors

BLOCK_PARTS = {"_expand_conv": "expand", "_depthwise_conv": "depthwise", "_project_conv": "project"}


def load_imagenet_trunk(net: ParsingNet | Lite0Encoder) -> None:
    """Load the ImageNet weights into the trunk; the weights of input channels other than colour become zero."""
    stored = load_third_party_tensors(find_lite0_file(), LITE0_SHA256)
    names = {"_conv_stem": net.stem}
    for number, block in enumerate(net.blocks):
        for theirs, ours in BLOCK_PARTS.items():
            if isinstance(one := getattr(block, ours), FoldableConvolution):
                names[f"_blocks.{number}.{theirs}"] = one
    with torch.no_grad():
        for layer, (norm, _, _) in lite0_layout().items():
            one = names[layer]
            weight, batch_norm = stored[f"{layer}.weight"], one.norm
            one.conv.weight.zero_()
            one.conv.weight[:, : weight.shape[1]] = weight
            assert isinstance(batch_norm, nn.BatchNorm2d)
            batch_norm.load_state_dict(
                {k: stored[f"{norm}.{k}"] for k in ("weight", "bias", "running_mean", "running_var")}, strict=False
            )
