"""A command of ``nsclc-response`` from the Slicer application without its main window, e.g. a batch::

    Slicer --no-main-window --python-script …/NSCLCResponseLib/gui/headless.py batch --cases cases.csv --out results

It runs in ``PythonSlicer``, with the packages of this Slicer, and Slicer ends with the command's exit code: 0 done, 1 a
patient failed, 2 bad input, 130 cancelled (Ctrl-C; a rerun goes on). Missing Python packages are installed first.
Slicer takes the options that it knows itself; ``--`` before ours keeps all of them for the command: ``… headless.py --
batch --help``.
"""

import logging
import subprocess
import sys


def run(arguments: list[str]) -> int:
    """Run one command and wait; its output goes to this terminal. Returns its exit code.

    :param arguments: as after ``nsclc-response``.
    """
    from NSCLCResponseSegmentLib.core.errors import NSCLCResponseError
    from NSCLCResponseSegmentLib.core.worker_process import python_executable, worker_environment
    from NSCLCResponseSegmentLib.gui.dependencies import ensure_dependencies

    try:
        ensure_dependencies()
    except NSCLCResponseError as error:
        logging.error(str(error))
        return error.exit_code
    command = [python_executable(), "-m", "NSCLCResponseLib", *arguments]
    return subprocess.run(command, env=worker_environment(), check=False).returncode


if __name__ == "__main__":
    import slicer

    exit_code = 1
    try:
        exit_code = run(sys.argv[1:])
    finally:  # whatever went wrong: without a window nobody could end Slicer, and a script would wait for ever
        slicer.util.exit(exit_code)
