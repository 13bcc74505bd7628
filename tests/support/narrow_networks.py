"""Published networks with few channels."""

from dataclasses import replace

from motion_imitate.generators.liquid_warping import NETWORK_SHAPES


def narrow(name, width=4):
    """The same, with few channels."""
    shape = NETWORK_SHAPES[name]
    nets = {part: getattr(shape, part) for part in ("source", "target", "background")}
    return replace(shape, **{part: net and replace(net, width=width) for part, net in nets.items()})
