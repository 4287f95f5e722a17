"""Entry file of the Slicer module NSCLCResponse: predict the response to immunotherapy, explain, report and sign.

The panel is ``NSCLCResponseLib.gui``, the work ``NSCLCResponseLib.mrml`` and ``.core``. From Python::

    logic = slicer.util.getModuleLogic("NSCLCResponse").responseLogic()
    result = logic.predict(ctNode, segmentationNode, petNode)
"""

import slicer
from slicer.i18n import tr as _
from slicer.i18n import translate
from slicer.ScriptedLoadableModule import (
    ScriptedLoadableModule,
    ScriptedLoadableModuleLogic,
    ScriptedLoadableModuleTest,
    ScriptedLoadableModuleWidget,
)


class NSCLCResponse(ScriptedLoadableModule):
    """What the module selector and the help show."""

    def __init__(self, parent):
        ScriptedLoadableModule.__init__(self, parent)
        self.parent.title = _("NSCLC Response")
        self.parent.categories = [translate("qSlicerAbstractCoreModule", "Quantification")]
        self.parent.dependencies = ["NSCLCResponseSegment", "Segmentations", "Tables", "Plots", "Volumes"]
        self.parent.contributors = ["NSCLC Response contributors"]
        self.parent.helpText = _("""
<p>Estimates how likely a non-small cell lung cancer is to respond to immune checkpoint inhibitors, from CT, PET if
there is one, and clinical values; shows the reasons and the uncertainty, and keeps a review record. For research use
only; not a medical device.</p>
<p>See the <a href="https://github.com/NSCLCResponse/SlicerNSCLCResponse">documentation</a>.</p>
""")
        self.parent.acknowledgementText = _("""
Built on 3D Slicer, PyRadiomics, MONAI and scikit-learn. Cite the works named in the documentation when you publish
results.
""")


class NSCLCResponseWidget(ScriptedLoadableModuleWidget):
    """Shell around :class:`NSCLCResponseLib.gui.panel.ResponsePanel`."""

    panel = None
    logic = None  # what slicer.util.getModuleLogic returns

    def setup(self):
        """Called when the module is opened for the first time, and by reload."""
        ScriptedLoadableModuleWidget.setup(self)
        from NSCLCResponseLib.gui.panel import ResponsePanel

        self.logic = NSCLCResponseLogic()
        self.panel = ResponsePanel(
            uiPath=self.resourcePath("UI/NSCLCResponse.ui"),
            logic=self.logic,
            isEntered=lambda: self.parent.isEntered,
        )
        self.layout.addWidget(self.panel.widget)

    def cleanup(self):
        """Called before the widget is destroyed."""
        if self.panel:
            self.panel.cleanup()

    def enter(self):
        """Called each time the user opens the module."""
        if self.panel:
            self.panel.enter()

    def exit(self):
        """Called each time the user opens another module."""
        if self.panel:
            self.panel.exit()

    def onReload(self):
        """Developer's reload: forget the library first, so that its changes are picked up too."""
        from NSCLCResponseSegmentLib.gui.reload import forget_libraries

        forget_libraries("NSCLCResponseLib")
        ScriptedLoadableModuleWidget.onReload(self)


class NSCLCResponseLogic(ScriptedLoadableModuleLogic):
    """Parameters of the panel and access to the logic, which needs no panel."""

    def getParameterNode(self):
        """The panel's parameters in the current scene."""
        from NSCLCResponseLib.gui.parameters import ResponseParameters

        return ResponseParameters(ScriptedLoadableModuleLogic.getParameterNode(self))

    def responseLogic(self, worker=None):
        """:class:`NSCLCResponseLib.mrml.logic.ResponseLogic` of the scene; ``worker`` stays warm between jobs."""
        from NSCLCResponseLib.mrml.logic import ResponseLogic

        return ResponseLogic(slicer.mrmlScene, worker)


class NSCLCResponseTest(ScriptedLoadableModuleTest):
    """Runs in Slicer ("Reload and Test", CTest)."""

    def setUp(self):
        """Start from an empty scene."""
        slicer.mrmlScene.Clear()

    def test_panel(self):
        """The panel follows the scene: what is missing, a mask, its lesions, scene close."""
        from NSCLCResponseLib.gui import self_test

        self.delayDisplay("Response panel")
        self_test.run(slicer.util.getModuleWidget("NSCLCResponse").panel)
