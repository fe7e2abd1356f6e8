"""A Ray cluster on this machine, as a program: prints its address; a line kills a node."""

import os
import subprocess
import sys
from pathlib import Path


class Cluster:
    """This program at work: `nodes` nodes with `cpus` CPUs each, in a folder of their own."""

    def __init__(self, folder: str, nodes: int, cpus: int) -> None:
        self._process = subprocess.Popen(
            [sys.executable, Path(__file__), folder, str(nodes), str(cpus)],
            env=os.environ | {"RAY_USAGE_STATS_ENABLED": "0"},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        assert self._process.stdout
        self.address = self._process.stdout.readline().strip()
        assert self.address

    def kill_a_node(self) -> None:
        assert self._process.stdin
        assert self._process.stdout
        self._process.stdin.write("kill\n")
        self._process.stdin.flush()
        assert self._process.stdout.readline().strip() == "killed"

    def end(self) -> None:
        self._process.communicate(timeout=60)


def serve(folder: str, nodes: int, cpus: int) -> None:
    from ray._common.utils import get_default_ray_temp_dir
    from ray.cluster_utils import Cluster as Nodes

    os.makedirs(get_default_ray_temp_dir(), exist_ok=True)  # where it notes its address
    # Without what streams logs to the driver and what scales: neither is used, and each is a process.
    small = {"num_cpus": cpus, "object_store_memory": 80 * 2**20, "include_log_monitor": False}
    head = {**small, "include_dashboard": False, "no_monitor": True, "temp_dir": folder}
    cluster = Nodes(initialize_head=True, head_node_args=head)
    others = [cluster.add_node(**small) for _ in range(nodes - 1)]
    print(cluster.address, flush=True)
    for _ in sys.stdin:
        cluster.remove_node(others.pop(), allow_graceful=False)
        print("killed", flush=True)
    cluster.shutdown()


if __name__ == "__main__":
    serve(sys.argv[1], *map(int, sys.argv[2:]))
