"""The 3D-CNN's map: it adds up, it changes with the weights, and it finds a signal whose place is known."""

from __future__ import annotations

import numpy as np
import pytest
import SimpleITK as sitk

from NSCLCResponseLib.core.explain_map import (
    explain_patch,
    grad_cam,
    homogeneous_patch,
    integrated_gradients,
    onto_ct,
)
from NSCLCResponseLib.core.network import build_network
from NSCLCResponseLib.core.patch import PatchSpec, cut_patch
from NSCLCResponseLib.core.presets import NetworkFit
from NSCLCResponseLib.core.signature import NetworkPart
from NSCLCResponseLib.core.training_network import network_spec, train_network

SPEC = PatchSpec(size=16, spacing_mm=3.0)
FIT = NetworkFit(epochs=14, batch=8, features=(8, 16), learning_rate=6e-3)


def patch_with_signal(random: np.random.Generator, outcome: int) -> tuple[np.ndarray, np.ndarray]:
    """A tumour with a dense patch in front (responders) or behind, and where that patch is.

    Density, size and contrast are the same for both, so only the place tells.
    """
    z, y, x = np.indices((SPEC.size,) * 3) - 7.5
    mask = (z**2 + y**2 + x**2) < 6.0**2
    centre = np.array([random.uniform(-1, 1), -3.0 if outcome else 3.0, random.uniform(-1, 1)])
    signal = ((z - centre[0]) ** 2 + (y - centre[1]) ** 2 + (x - centre[2]) ** 2) < 2.0**2
    images = [np.where(mask, 0.1, -0.9) + 0.5 * signal + random.normal(0, 0.15, mask.shape) for _ in range(2)]
    return np.stack([*images, np.zeros(mask.shape), mask]).astype(np.float32), signal & mask


@pytest.fixture(scope="module")
def trained() -> NetworkPart:
    random = np.random.default_rng(0)
    outcome = np.arange(64) % 2
    patches = np.stack([patch_with_signal(random, y)[0] for y in outcome])
    return NetworkPart("cnn", SPEC, train_network(patches, outcome, SPEC, FIT, seed=1))


@pytest.fixture(scope="module")
def patients() -> list[tuple[np.ndarray, np.ndarray, int]]:
    random = np.random.default_rng(9)
    return [(*patch_with_signal(random, y), y) for y in (0, 1) * 6]


def test_attributions_sum_to_the_difference_from_the_homogeneous_tumour(trained: NetworkPart, patients):
    for patch, _, _ in patients[:4]:
        found, logit, same = integrated_gradients(trained.network, patch, steps=48)
        assert logit == pytest.approx(float(trained.logits(patch[None])[0]), abs=1e-5)
        assert found.sum() == pytest.approx(logit - same, abs=0.05 * abs(logit - same) + 0.02)
        flat = homogeneous_patch(patch)
        assert flat[0][patch[-1] == 1].std() < 1e-5
        np.testing.assert_array_equal(flat[0][patch[-1] == 0], patch[0][patch[-1] == 0])


def test_the_map_finds_the_place_of_the_signal(trained: NetworkPart, patients):
    """Its mass within the dense patch is at least three times what chance would put there."""
    told = [float(trained.logits(patch[None])[0]) > 0 for patch, _, _ in patients]
    assert np.mean([t == bool(y) for t, (_, _, y) in zip(told, patients, strict=True)]) >= 0.9, "it learned the signal"
    shares = []
    for patch, signal, _ in patients:
        found, _, _ = integrated_gradients(trained.network, patch)
        inside = patch[-1] > 0
        chance = signal.sum() / inside.sum()
        shares.append(np.abs(found)[signal].sum() / np.abs(found)[inside].sum() / chance)
    assert np.mean(shares) > 3, shares


def test_random_weights_give_another_map(trained: NetworkPart, patients):
    """Sanity check of Adebayo et al. 2018: a map that ignores what was learned explains nothing."""
    import torch

    spec, random = network_spec(SPEC, FIT), []
    for seed in range(4):
        torch.manual_seed(seed)
        random.append(build_network(spec).eval())
    same = build_network(spec)
    same.load_state_dict(trained.network.state_dict())
    for make in (lambda network, patch: integrated_gradients(network, patch)[0], grad_cam):
        alike, different = [], []
        for patch, _, _ in patients[:6]:
            inside = patch[-1] > 0
            given = make(trained.network, patch)[inside]
            alike.append(np.corrcoef(given, make(same.eval(), patch)[inside])[0, 1])
            different += [np.corrcoef(given, make(network, patch)[inside])[0, 1] for network in random]
        assert np.mean(alike) > 0.999
        assert np.nanmean(np.abs(different)) < 0.5


def test_the_map_lies_on_the_ct_where_the_patch_was():
    """A CT that is stored from feet to head and right to left; the hot voxel comes back to where it was."""
    array = np.zeros((40, 50, 60), np.int16)
    ct = sitk.GetImageFromArray(array)
    ct.SetSpacing((1.5, 1.5, 2.0))
    ct = sitk.Flip(ct, [True, False, True])
    mask = sitk.Cast(ct * 0, sitk.sitkUInt8)
    mask[25:34, 20:29, 14:22] = 1
    part = NetworkPart("cnn", SPEC, build_network(network_spec(SPEC, FIT)).eval())
    made = explain_patch(part, cut_patch(ct, None, mask, SPEC), mask)
    whole, cut = made.on_ct(ct), made.on_ct(ct, cut=True)
    assert whole.GetSize() == ct.GetSize()
    assert whole.GetDirection() == ct.GetDirection()
    assert cut.GetNumberOfPixels() <= whole.GetNumberOfPixels()
    hot = sitk.Image(made.cam) * 0
    hot[8, 4, 11] = 1.0
    there = onto_ct(hot, ct)
    where = np.unravel_index(np.argmax(sitk.GetArrayViewFromImage(there)), array.shape)[::-1]
    point = np.array(ct.TransformIndexToPhysicalPoint([int(v) for v in where]))
    assert np.abs(point - hot.TransformIndexToPhysicalPoint((8, 4, 11))).max() < 2.0
