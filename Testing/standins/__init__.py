"""Stand-ins for what only the Slicer application has: ``qt`` and ``ctk`` (PythonQt), the qMRML widgets,
``slicer.app``, ``.ScriptedLoadableModule``, ``.parameterNodeWrapper``, ``.i18n`` and ``.packaging``.

They run on PySide6 (offscreen) over the real MRML scene of slicer-core: the real ``.ui`` files are loaded, the real
panel code runs, buttons are clicked, pictures are taken. They refuse what Slicer would refuse where that is known:
unknown signals and attributes, widgets without a designer plugin, connectors for another exact type of widget.

What they do not prove: that Slicer's own widgets look or size themselves like these, that the Segment Editor paints,
that views render, that pip installs, or that a name which is missing here is missing in Slicer.
"""
