"""What the prediction rests on: chart, features, the network's map."""

from collections.abc import Mapping
from typing import Any

import slicer
import vtk
from slicer.i18n import tr as _

from NSCLCResponseSegmentLib.gui.tables import FittedTable

from ..mrml.result_tables import BAR_WIDTH, contribution_chart, feature_table

_PET_OPACITY = 0.3


class ExplanationView:
    """Chart and tables of one prediction; ``ui`` are the widgets of the panel's ``.ui`` file.

    Slicer's plot view has no Designer plugin, so it is made here and put into ``plotFrame``. Its view node is in no
    scene: of each one in the scene Slicer's layout manager makes a view of its own, and the module Plots shows in all
    of them the chart that was chosen there.
    """

    def __init__(self, ui: Any) -> None:
        self._ui = ui
        self._overlay = ("", 0.0)  # the map that is shown, and how opaque
        self._features = FittedTable(ui.featureTable, widest=84)
        self._view_node = slicer.vtkMRMLPlotViewNode()
        self._plot = slicer.qMRMLPlotView()
        self._plot.setMRMLScene(slicer.mrmlScene)
        self._plot.chart().SetZoomWithMouseWheel(False)  # the wheel scrolls the panel
        self._plot.chart().SetBarWidthFraction(2 * BAR_WIDTH)  # of both series together
        ui.plotFrame.layout().addWidget(self._plot)

    def show(self, result: Mapping[str, Any] | None) -> None:
        """Show a result (as result.json), or nothing."""
        scene = slicer.mrmlScene
        prediction = result["prediction"] if result else None
        self._view_node.SetPlotChartNodeID(None)  # shows nothing while the bars are changed
        chart = contribution_chart(scene, prediction)
        self._plot.setMRMLPlotViewNode(self._view_node)
        if chart is not None:
            self._view_node.SetPlotChartNodeID(chart.GetID())
            self._name_bars(chart)
        self._features.show(feature_table(scene, prediction))

    def _name_bars(self, chart_node: Any) -> None:
        """Write the labels under the bars: Slicer's plot view shows them in tooltips only."""
        series = chart_node.GetNthPlotSeriesNode(0)
        labels = series.GetTableNode().GetTable().GetColumnByName(series.GetLabelColumnName())
        positions = vtk.vtkDoubleArray()
        for index in range(labels.GetNumberOfValues()):
            positions.InsertNextValue(index)
        chart = self._plot.chart()
        chart.GetAxis(vtk.vtkAxis.BOTTOM).SetCustomTickPositions(positions, labels)
        for index in range(chart.GetNumberOfPlots()):
            chart.GetPlot(index).SetTooltipLabelFormat("%i: %y")  # Slicer's has the bar's place, too

    def clear(self) -> None:
        """Let go of the scene's nodes."""
        self._plot.setMRMLPlotViewNode(None)
        self._features.show(None)
        self._overlay = ("", 0.0)

    def show_map(self, map_node: Any, opacity: float, *, is_wanted: bool, pet: Any) -> None:
        """The network's map over the slice views, or the PET again; the views are left alone when nothing changed.

        :param map_node: ``None`` when this prediction has none.
        """
        ui = self._ui
        has_map = map_node is not None
        ui.mapCheckBox.enabled = has_map
        ui.mapOpacitySlider.enabled = has_map and is_wanted
        ui.mapCheckBox.toolTip = (
            _("Where the network looked, over all slice views: teal speaks for a response, orange against it.")
            if has_map
            else _("There is no map: predict first, with a signature that has a 3D-CNN.")
        )
        ui.mapOpacitySlider.toolTip = (
            _("Opacity of the map.") if has_map and is_wanted else _("Show the map of the 3D-CNN first")
        )
        wanted = (map_node.GetID(), opacity) if has_map and is_wanted else ("", 0.0)
        if wanted == self._overlay:
            return
        before, self._overlay = self._overlay, wanted
        if wanted[0]:
            slicer.util.setSliceViewerLayers(foreground=map_node, foregroundOpacity=opacity)
        elif before[0]:
            slicer.util.setSliceViewerLayers(foreground=pet, foregroundOpacity=_PET_OPACITY if pet else 0.0)
