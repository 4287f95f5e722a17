"""Where lesions lie: side, chest wall, mediastinum."""

from __future__ import annotations

import pytest

from NSCLCResponseSegmentLib.core.anatomy import segment_anatomy
from NSCLCResponseSegmentLib.core.lesion_place import place_lesions, sides_of_groups
from NSCLCResponseSegmentLib.core.terminology import LEFT
from support.drawn_chest import drawn_chest


@pytest.mark.parametrize(
    ("tumour", "side", "pleura", "mediastinum"),
    [
        ((25, 32, 58), "left", False, False),
        ((25, 32, 22), "right", False, False),
        ((25, 32, 68), "left", True, False),
        ((25, 19, 20), "right", True, False),
        ((25, 32, 48), "left", False, True),
    ],
)
def test_side_and_contact(tumour: tuple[int, int, int], side: str, pleura: bool, mediastinum: bool):
    ct, mask = drawn_chest(tumour)
    (place,) = place_lesions(mask, segment_anatomy(ct))
    assert (place.side, place.pleura, place.mediastinum) == (side, pleura, mediastinum)


def test_groups_have_a_side_when_their_lesions_agree():
    ct, mask = drawn_chest((15, 32, 58), (35, 32, 58), (25, 32, 22))
    places = place_lesions(mask, segment_anatomy(ct))
    left = [place.label for place in places if place.side == "left"]
    assert len(left) == 2
    assert sides_of_groups(places, [left, [1, 2, 3]]) == (LEFT, None)
    assert place_lesions(mask * 0, segment_anatomy(ct)) == []
