"""Stand-ins for what only the Slicer application has: ``qt`` and ``ctk`` (PythonQt), the qMRML widgets,
``slicer.ScriptedLoadableModule``, ``slicer.parameterNodeWrapper``, ``slicer.i18n``, ``slicer.packaging``, ``slicer.app``.

They run on PySide6 (offscreen) over the real MRML scene of slicer-core, so that the real ``.ui`` files are loaded, the
real panel code runs, buttons are clicked and pictures are taken.

What they do not prove: that Slicer's own widgets look or size themselves like these, that the Segment Editor paints,
that views render, that Slicer's designer plugins accept each property, or that a name missing here is missing there. They
refuse what Slicer would refuse where that is known: unknown signals and attributes, widgets without a designer plugin,
connectors for another exact type of widget.

With the environment variable ``SLICER_SOURCE`` set to a checkout of Slicer, its own Python files replace the stand-ins of
``slicer.ScriptedLoadableModule``, ``.parameterNodeWrapper``, ``.i18n`` and ``.packaging``.
"""
