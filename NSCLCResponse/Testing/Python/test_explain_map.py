"""The 3D-CNN's map: it adds up, it changes with the weights, and it finds a signal whose place is known."""

from __future__ import annotations

from dataclasses import dataclass

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
from NSCLCResponseLib.core.patch import PatchSpec, cut_patch, patch_grid, tumour_centre
from NSCLCResponseLib.core.phantom.frame import Grid
from NSCLCResponseLib.core.phantom.patient import simulate_patient
from NSCLCResponseLib.core.presets import NetworkFit
from NSCLCResponseLib.core.signature import NetworkPart
from NSCLCResponseLib.core.signature_io import default_signature, load_signature
from NSCLCResponseLib.core.training_network import network_spec

GRID = Grid.around_body((80, 108, 108), (3.6, 3.7, 3.7), -178.0)


@dataclass(frozen=True)
class Planted:
    """A simulated patient, with the voxels of its outline and of the planted place on the patch's grid."""

    patch: np.ndarray
    mask: sitk.Image
    inside: np.ndarray
    place: np.ndarray


@pytest.fixture(scope="module")
def part() -> NetworkPart:
    return load_signature(default_signature()).network_part


@pytest.fixture(scope="module")
def patients(part: NetworkPart) -> list[Planted]:
    """Of high or low traits: in between, the dense and the faint part lie left and right, which tells no outcome."""
    found = []
    for index, latent in ((1, -1.8), (2, 1.8), (3, -1.8)):
        patient = simulate_patient(62, index, latent=latent, with_pet=False, grid=GRID)
        grid = patch_grid(tumour_centre(patient.mask), part.patch)
        inside, place = (
            sitk.GetArrayFromImage(sitk.Resample(mask, grid, sitk.Transform(), sitk.sitkNearestNeighbor)) > 0
            for mask in (patient.mask, patient.signal_mask)
        )
        patch = cut_patch(patient.ct, None, patient.mask, part.patch)
        found.append(Planted(patch, patient.mask, inside, place & inside))
    return found


def test_attributions_sum_to_the_difference_from_the_homogeneous_tumour(part: NetworkPart, patients: list[Planted]):
    patch = patients[1].patch
    found, logit, same = integrated_gradients(part.network, patch, steps=32)
    assert logit == pytest.approx(float(part.logits(patch[None])[0]), abs=1e-5)
    assert found.sum() == pytest.approx(logit - same, abs=0.05 * abs(logit - same) + 0.02)
    flat, whole = homogeneous_patch(patch), patch[-1] == 1
    assert flat[0][whole].std() < 1e-5
    np.testing.assert_array_equal(flat[0][patch[-1] == 0], patch[0][patch[-1] == 0])


def test_the_shown_map_finds_the_planted_place(part: NetworkPart, patients: list[Planted]):
    """It holds 1.25 times as much of the map as chance would put there in each, and 1.7 times on average.

    Ten such patients had 1.5 to 3.0 times, 2.2 on average.
    """
    lifts = []
    for patient in patients:
        made = explain_patch(part, patient.patch, patient.mask)
        mass = np.abs(sitk.GetArrayFromImage(made.gradients))
        chance = patient.place.sum() / patient.inside.sum()
        lifts.append(mass[patient.place].sum() / mass[patient.inside].sum() / chance)
    assert min(lifts) > 1.25, lifts
    assert np.mean(lifts) > 1.7, lifts


def test_random_weights_give_another_map(part: NetworkPart, patients: list[Planted]):
    """Sanity check of Adebayo et al. 2018: a map that ignores what was learned explains nothing."""
    import torch

    spec, random = network_spec(part.patch, NetworkFit()), []
    for seed in range(2):
        torch.manual_seed(seed)
        random.append(build_network(spec).eval())
    same = build_network(spec).eval()
    same.load_state_dict(part.network.state_dict())
    for make in (lambda network, patch: integrated_gradients(network, patch, steps=6)[0], grad_cam):
        different = []
        for number, patient in enumerate(patients[:2]):
            given = make(part.network, patient.patch)[patient.inside]
            if not number:
                np.testing.assert_allclose(make(same, patient.patch)[patient.inside], given, atol=1e-5)
            others = [make(network, patient.patch)[patient.inside] for network in random]
            different += [np.corrcoef(given, other)[0, 1] for other in others]
        assert np.nanmean(np.abs(different)) < 0.5, different


def test_the_map_lies_on_the_ct_where_the_patch_was():
    """A CT that is stored from feet to head and right to left; the hot voxel comes back to where it was."""
    array = np.zeros((40, 50, 60), np.int16)
    ct = sitk.GetImageFromArray(array)
    ct.SetSpacing((1.5, 1.5, 2.0))
    ct = sitk.Flip(ct, [True, False, True])
    mask = sitk.Cast(ct * 0, sitk.sitkUInt8)
    mask[25:34, 20:29, 14:22] = 1
    spec = PatchSpec(size=16, spacing_mm=3.0)
    part = NetworkPart("cnn", spec, build_network(network_spec(spec, NetworkFit(features=(8, 16)))).eval())
    made = explain_patch(part, cut_patch(ct, None, mask, spec), mask)
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
