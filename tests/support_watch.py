"""Whom a command, and all that it begins, talks to."""

import re
import shutil
from pathlib import Path

import pytest

_LOOPBACK = re.compile(r'inet_addr\("127\.|"::1"|"::ffff:127\.|AF_INET6?[^)]*\}, \d+\) = -1 EAFNOSUPPORT')


def watched(trace: Path) -> list[str]:
    """What begins a command and notes in the file `trace` whom it and all that it begins talk to."""
    calls = "trace=connect,sendto,sendmsg,sendmmsg"
    strace = shutil.which("strace")
    if strace is None:
        pytest.skip("no strace here, by which to watch")
    return [strace, "-D", "-f", "--seccomp-bpf", "-qq", "-e", calls, "-o", str(trace)]


def outside(trace: Path) -> list[str]:
    """The calls to addresses outside this machine, those of name servers among them."""
    lines = trace.read_text(errors="replace").splitlines()
    return [line for line in lines if "AF_INET" in line and not _LOOPBACK.search(line)]
