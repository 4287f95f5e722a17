"""What the module's test class does in Slicer: small, without a worker, on the panel that is shown."""

from typing import Any

import slicer

from NSCLCResponseSegmentLib.gui.self_test import expect, small_case


def run(panel: Any) -> None:
    """The panel says what is missing, is ready with a CT and an outline, and empties with the scene.

    :raises AssertionError: it does not.
    """
    panel.initialize_parameter_node()
    expect(not panel.ui.predictButton.enabled and "CT" in panel.ui.predictButton.toolTip, "asks for a CT")
    ct, segmentation = small_case()
    panel.parameters.ct = ct
    expect("utline" in panel.ui.predictButton.toolTip, "asks for an outline")
    panel.parameters.segmentation = segmentation
    expect(panel.ui.predictButton.enabled, "is ready with CT and outline")
    expect(not panel.ui.signButton.enabled, "nothing can be signed before a prediction")
    slicer.mrmlScene.Clear(0)
    expect(not panel.lesions.lesions, "empties with the scene")
