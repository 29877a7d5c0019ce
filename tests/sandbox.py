"""Runs a program that may write no byte to a file and open no socket: `python sandbox.py PROGRAM ARGUMENT...`.

The kernel holds it to that, whatever library does it: a write beyond RLIMIT_FSIZE ends the process with SIGXFSZ, and
the system call socket(2) with SIGSYS. Python ignores SIGXFSZ unless told otherwise, and then sees an OSError. Linux
alone, on x86-64 and aarch64.
"""

import ctypes
import os
import platform
import resource
import signal
import struct
import sys

# Number of socket(2) and the kernel's name of the processor's calls.
SOCKET = {"x86_64": (41, 0xC000003E), "aarch64": (198, 0xC00000B7)}
NO_NEW_PRIVILEGES, SECCOMP, FILTER = 38, 22, 2
KILL, ALLOW = 0x80000000, 0x7FFF0000
LOAD, EQUAL, RETURN = 0x20, 0x15, 0x06


class Program(ctypes.Structure):
    _fields_ = (("length", ctypes.c_ushort), ("code", ctypes.c_void_p))


def seal():
    """Hold this process, and all that it becomes, to it."""
    number, machine = SOCKET[platform.machine()]
    steps = (
        *((LOAD, 0, 0, 4), (EQUAL, 1, 0, machine), (RETURN, 0, 0, KILL)),
        *((LOAD, 0, 0, 0), (EQUAL, 0, 1, number), (RETURN, 0, 0, KILL), (RETURN, 0, 0, ALLOW)),
    )
    code = ctypes.create_string_buffer(b"".join(struct.pack("HBBI", *step) for step in steps))
    program = Program(len(steps), ctypes.cast(code, ctypes.c_void_p))
    library = ctypes.CDLL(None, use_errno=True)
    done = (
        library.prctl(NO_NEW_PRIVILEGES, 1, 0, 0, 0) == 0 and library.prctl(SECCOMP, FILTER, ctypes.byref(program)) == 0
    )
    if not done:
        raise OSError(ctypes.get_errno(), "this kernel takes no filter of system calls")
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
    signal.signal(signal.SIGXFSZ, signal.SIG_DFL)


if __name__ == "__main__":
    seal()
    os.execvp(sys.argv[1], sys.argv[1:])
