"""What is passed through to a network's builder, and what is told of what it does not take."""

from pathlib import Path

import pytest
import torch
import yaml

from lacaf.model.monai_networks import halvings
from lacaf.model.networks import Unbuildable, arguments_of, build, try_out
from lacaf.params.section import ParamsError
from lacaf.params.whole import parse

DEMO = yaml.safe_load((Path(__file__).parents[2] / "params" / "demo.yaml").read_text())
PATCH = (32, 32, 32)


def experiment(**changes):
    """The recipe of an experiment of the demo with some keys otherwise."""
    train = DEMO["train"] | {"experiments": {"a": changes}}
    return parse(DEMO | {"train": train}).train.recipe("a")


def test_arguments_reach_the_network():
    with torch.device("meta"):
        usual, changed = (
            build("segresnet", 8, arguments=given) for given in ({}, {"blocks_down": [1, 1]})
        )
    assert (len(usual.down_layers), len(changed.down_layers)) == (4, 2)


def test_an_unknown_argument_is_told_with_those_that_are_known():
    with pytest.raises(Unbuildable, match=r"`segresnet` has no argument `depth`; .*blocks_down"):
        build("segresnet", 8, arguments={"depth": 3})
    with pytest.raises(Unbuildable, match="`unet` has no argument `depth`; it takes none"):
        build("unet", 8, arguments={"depth": 3})


def test_what_follows_from_input_and_output_cannot_be_given():
    with pytest.raises(Unbuildable, match="no argument `out_channels`"):
        build("segresnet", 8, arguments={"out_channels": 3})


def test_a_value_that_a_network_refuses_is_told_with_its_reason():
    with pytest.raises(Unbuildable, match=r"`swin_unetr`.*feature_size: 25.*divisible"):
        build("swin_unetr", 8, arguments={"feature_size": 25})


@pytest.mark.parametrize(
    ("network", "arguments", "told"),
    [
        ("dynunet", {"deep_supervision": True}, "logits"),
        ("monai_unet", {"strides": [2, 2, 2, 3]}, "does not run"),
    ],
)
def test_a_network_that_arguments_spoil_is_found_out_before_it_is_trained(network, arguments, told):
    net = build(network, 4, arguments=arguments, patch=PATCH)
    with pytest.raises(Unbuildable, match=told):
        try_out(network, net, arguments, PATCH)


def test_sensible_arguments_pass_the_trial():
    arguments = {"dropout_prob": 0.1}
    try_out("segresnet", build("segresnet", 8, arguments=arguments), arguments, PATCH)


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"network": "unet", "encoder": None, "arguments": {"depth": 3}}, "no argument `depth`"),
        ({"network": "lacaf", "arguments": {"image_only": True}}, "takes are adapter, fusion"),
        ({"network": "lacaf", "arguments": {"fusion": "cross"}}, "takes both, .*given 'cross'"),
        ({"network": "clip_driven", "arguments": {"image_only": 3}}, "true or false"),
        ({"network": "clip_driven", "encoder": None}, "needs an encoder"),
        ({"network": "released"}, r"patches of \[96, 96, 96\] alone; patch is \[32, 32, 32\]"),
        ({"network": "released", "patch": [96, 96, 96], "early": {"steps": 9}}, "early.steps to 0"),
        ({"network": "unetr", "early": {"steps": 9}}, "set early.steps to 0"),
        ({"network": "swin_unetr"}, r"at least 64 voxels.* patch is \[32, 32, 32\]"),
        (
            {"network": "swin_unetr", "patch": [64, 64, 64], "early": {"steps": 9}},
            r"at least 64 voxels.*early.patch is \[32, 32, 32\]",
        ),
        ({"network": "swin_unetr", "patch": [80, 96, 96]}, "multiples of 32"),
    ],
)
def test_what_a_network_does_not_take_is_told_when_the_parameters_are_read(changes, told):
    with pytest.raises(ParamsError, match=told):
        experiment(**changes)


def test_an_early_part_that_is_not_there_is_not_asked_for_its_patch():
    own = experiment(network="swin_unetr", patch=[64, 64, 64], early={"steps": 0})
    assert own.early.patch == [32, 32, 32]


def test_small_patches_must_be_halved_as_often_as_the_large_ones():
    early = {"patch": [16, 32, 32], "batch": 1, "steps": 10}
    experiment(network="dynunet", encoder=None, patch=[64, 64, 64], early=early)
    with pytest.raises(ParamsError, match=r"multiples of 32 voxels; early.patch is \[16, 32, 32\]"):
        experiment(network="dynunet", encoder=None, patch=[128, 128, 128], early=early)


@pytest.mark.parametrize(
    ("patch", "expected"),
    [
        ((64, 64, 64), (4, 4, 4)),
        ((160, 128, 160), (5, 5, 5)),
        ((256, 192, 24), (5, 5, 2)),
        ((72, 8, 512), (3, 1, 5)),
    ],
)
def test_an_axis_is_halved_down_to_4_voxels_and_at_most_5_times(patch, expected):
    assert halvings(patch) == expected


def test_axes_of_different_length_are_halved_differently_often():
    net = build("dynunet", 2, patch=(16, 32, 8))
    assert net.strides == [[1, 1, 1], [2, 2, 2], [2, 2, 1], [1, 2, 1]]
    with torch.no_grad():
        assert net(torch.zeros(1, 5, 16, 32, 8)).shape == (1, 4, 16, 32, 8)


def test_features_end_at_320():
    with torch.device("meta"):
        assert build("dynunet", 32, patch=(128, 128, 128)).filters == [32, 64, 128, 256, 320, 320]


def test_a_model_from_before_there_were_arguments_is_built_as_it_was():
    """Then dynunet had three halvings, whatever the patch and the width."""
    old = arguments_of({"network": "dynunet", "width": 64})
    with torch.device("meta"):
        net = build("dynunet", 64, arguments=old, patch=(128, 128, 128))
    assert net.filters == [64, 128, 256, 512]
    assert arguments_of({"network": "unet", "width": 8}) == {}
    kept = {"network": "dynunet", "width": 8, "arguments": {"dropout": 0.1}}
    assert arguments_of(kept) == {"dropout": 0.1}
