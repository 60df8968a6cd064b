"""Schedulers end a program by SIGTERM, and may repeat it; it stops as by Ctrl-C."""

import signal
import subprocess
import sys

import pytest

CODE = """
import os, signal, sys
from medgraft.cli import __main__ as program

def run(arguments):
    try:
        os.kill(os.getpid(), signal.{name})
        signal.pause()
    finally:
        for _ in range({again}):
            os.kill(os.getpid(), signal.{name})
        print("cleaned up")

program._run = run
sys.exit(program.entry())
"""


@pytest.mark.parametrize(("number", "again"), [(signal.SIGTERM, 2), (signal.SIGINT, 0)])
def test_a_command_that_is_told_to_end_cleans_up_and_says_so(number, again):
    code = CODE.format(name=number.name, again=again)
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120)
    assert (done.returncode, done.stdout, done.stderr) == (130, "cleaned up\n", "stopped\n")
