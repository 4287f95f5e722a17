"""Entry file of the Slicer module NSCLCResponseSegment: find, outline and correct the tumour.

The panel is ``NSCLCResponseSegmentLib.gui``, the work ``NSCLCResponseSegmentLib.mrml`` and ``.core``. From Python::

    logic = slicer.util.getModuleLogic("NSCLCResponseSegment").segmentLogic()
    segmentation = logic.outlineFromClicks(ctNode, [(52.5, -31.0, -710.0)])
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


class NSCLCResponseSegment(ScriptedLoadableModule):
    """What the module selector and the help show."""

    def __init__(self, parent):
        ScriptedLoadableModule.__init__(self, parent)
        self.parent.title = _("NSCLC Tumour Outline")
        self.parent.categories = [translate("qSlicerAbstractCoreModule", "Segmentation")]
        self.parent.dependencies = ["Segmentations", "Markups", "Volumes", "SubjectHierarchy"]
        self.parent.contributors = ["NSCLC Response contributors"]
        self.parent.helpText = _("""
<p>Outlines a lung tumour on CT, by a click in the tumour or from a file. The outline is then corrected with the Segment
Editor below it. For research use only.</p>
<p>See the <a href="https://github.com/NSCLCResponse/SlicerNSCLCResponse">documentation</a>.</p>
""")
        self.parent.acknowledgementText = _("""
Built on 3D Slicer, MONAI and PyTorch. Cite the works named in the documentation when you publish results.
""")
        slicer.app.connect("startupCompleted()", registerSampleData)


def registerSampleData():
    """Add the simulated patient and a public CT to the module Sample Data."""
    from NSCLCResponseSegmentLib.gui.sample_data import register

    register()


class NSCLCResponseSegmentWidget(ScriptedLoadableModuleWidget):
    """Shell around :class:`NSCLCResponseSegmentLib.gui.panel.SegmentPanel`."""

    panel = None
    logic = None  # what slicer.util.getModuleLogic returns

    def setup(self):
        """Called when the module is opened for the first time, and by reload."""
        ScriptedLoadableModuleWidget.setup(self)
        from NSCLCResponseSegmentLib.gui.panel import SegmentPanel

        self.logic = NSCLCResponseSegmentLogic()
        self.panel = SegmentPanel(
            uiPath=self.resourcePath("UI/NSCLCResponseSegment.ui"),
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
        """Developer's reload: forget the libraries first, so that their changes are picked up too."""
        from NSCLCResponseSegmentLib.gui.reload import forget_libraries

        forget_libraries("NSCLCResponseSegmentLib", "NSCLCResponseLib")
        ScriptedLoadableModuleWidget.onReload(self)
        if hasattr(slicer.modules, "NSCLCResponseWidget"):  # it would go on with the classes that were forgotten
            slicer.util.reloadScriptedModule("NSCLCResponse")


class NSCLCResponseSegmentLogic(ScriptedLoadableModuleLogic):
    """Parameters of the panel and access to the logic, which needs no panel."""

    def getParameterNode(self):
        """The panel's parameters in the current scene."""
        from NSCLCResponseSegmentLib.gui.parameters import SegmentParameters

        return SegmentParameters(ScriptedLoadableModuleLogic.getParameterNode(self))

    def segmentLogic(self):
        """:class:`NSCLCResponseSegmentLib.mrml.logic.SegmentLogic` of the current scene."""
        from NSCLCResponseSegmentLib.mrml.logic import SegmentLogic

        return SegmentLogic(slicer.mrmlScene)


class NSCLCResponseSegmentTest(ScriptedLoadableModuleTest):
    """Runs in Slicer ("Reload and Test", CTest)."""

    def setUp(self):
        """Start from an empty scene."""
        slicer.mrmlScene.Clear()

    def test_panel(self):
        """The panel follows the scene: what is missing, an imported mask, its lesions, scene close."""
        from NSCLCResponseSegmentLib.gui import self_test

        self.delayDisplay("Segmentation panel")
        self_test.run(slicer.util.getModuleWidget("NSCLCResponseSegment").panel)
