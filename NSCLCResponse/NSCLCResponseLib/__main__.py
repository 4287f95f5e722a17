"""``python -m NSCLCResponseLib`` and ``PythonSlicer -m NSCLCResponseLib`` are the command ``nsclc-response``."""

import sys

from .cli.main import main

sys.exit(main())
