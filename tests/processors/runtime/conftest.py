"""Two processes that can meet, for what they exchange."""
import os
import socket
import subprocess
import sys

import pytest


@pytest.fixture
def in_two_processes(pytestconfig):
    """Runs a program as ranks 0 and 1; gives what each said, its errors and its exit status."""
    def run(program: str) -> list[tuple[str, str, int]]:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = str(free.getsockname()[1])
        environment = os.environ | {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port,
                                    "WORLD_SIZE": "2", "OMP_NUM_THREADS": "1"}
        works = [subprocess.Popen(
            [sys.executable, "-c", program], cwd=pytestconfig.rootpath, text=True,
            env=environment | {"RANK": rank, "LOCAL_RANK": rank},
            stdout=subprocess.PIPE, stderr=subprocess.PIPE) for rank in "01"]
        return [(*work.communicate(timeout=150), work.returncode) for work in works]
    return run
