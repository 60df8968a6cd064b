"""What the workers do in the tests of the pool; they import this file."""

import contextlib
import os
import signal
import time

import numpy as np

from medgraft.errors import ArgumentError


@contextlib.contextmanager
def squaring(offset=0):
    yield lambda number: (number * number + offset, None)


@contextlib.contextmanager
def counting_arrays():
    """Arrays of every kind: some tasks have one, of different sizes; others have none."""

    def work(number):
        if number % 3 == 0:
            return {"number": number}, None
        kind = ("u1", "<u2", "<f4", "?")[number % 4]
        array = np.arange(number * 40).reshape(number, 2, 20).swapaxes(0, 2).astype(kind)
        return {"number": number}, array

    yield work


@contextlib.contextmanager
def suffering():
    """Do what each task names, from which most processes die."""

    def work(fate):
        if fate == "abort":
            os.abort()
        elif fate == "segfault":
            os.kill(os.getpid(), signal.SIGSEGV)
        elif fate == "leave":
            os._exit(7)
        elif fate == "hang":
            time.sleep(60)
        elif fate == "glut":
            np.ones(2**30)
        elif fate == "killed":
            os.kill(os.getpid(), signal.SIGKILL)
        elif fate == "chatter":
            print("a library speaks", flush=True)
            os.write(1, b"and its C part too")
        return fate, None

    yield work


@contextlib.contextmanager
def echoing():
    yield lambda task: (task, None)


@contextlib.contextmanager
def looking_around():
    """The process that does the task, its session, and what it says of threads."""
    names = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")

    def work(seconds):
        time.sleep(seconds)
        said = {"pid": os.getpid(), "session": os.getsid(0), "here": os.getcwd()}
        return said | {"threads": [os.environ.get(name) for name in names]}, None

    yield work


@contextlib.contextmanager
def refusing(message):
    raise ArgumentError(message)
    yield


@contextlib.contextmanager
def failing():
    def work(number):
        if number == 3:
            raise ArgumentError("no number may be 3")
        if number == 13:
            raise ZeroDivisionError("a mistake of ours")
        return number, None

    yield work
