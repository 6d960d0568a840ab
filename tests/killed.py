"""Scripts that end themselves by SIGKILL at a known place: a signal that a test sends may come when all is done."""

import sys

_CODE = """
import os, runpy, signal, sys
script, saved, number, moment = sys.argv[1:5]
sys.argv = [script, *sys.argv[5:]]
replace, left = os.replace, int(number)

def replaced(source, target):
    global left
    left -= target == saved
    if left == 0 and moment == "before":
        os.kill(os.getpid(), signal.SIGKILL)
    replace(source, target)
    if left == 0:
        os.kill(os.getpid(), signal.SIGKILL)

os.replace = replaced
runpy.run_path(script, run_name="__main__")
"""


def killed_at_save(script: str, saved: str, number: int, *arguments: str, moment: str = "after") -> list[str]:
    """The command of a Python script that is killed where it puts a file in place by `os.replace`.

    Args:
        script: its name.
        saved: the file, as the script names it.
        number: which time, counted from 1.
        arguments: of the script.
        moment: "before" the file is in place, or "after".
    """
    return [sys.executable, "-c", _CODE, script, saved, str(number), moment, *arguments]
