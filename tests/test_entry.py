"""The program and the function behind it: what each does to the process it runs in."""

import signal
import subprocess
import sys

from medgraft.cli.__main__ import main


def test_calling_main_leaves_the_signals_of_the_process_alone(capsys):
    before = signal.getsignal(signal.SIGPIPE)
    assert main(["list", "steps"]) == 0
    assert "resize" in capsys.readouterr().out
    assert signal.getsignal(signal.SIGPIPE) is before


def test_the_program_ends_in_silence_when_nobody_reads_on():
    program = [sys.executable, "-m", "medgraft.cli", "list", "steps"]
    with subprocess.Popen(program, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        process.stdout.close()  # what `| head` does, here before the first line
        said = process.stderr.read()
    assert (process.returncode, said) == (-signal.SIGPIPE, b"")
