"""A Ray cluster of three nodes on this machine, as a program: prints its address; a line kills a node."""

import os
import sys

from ray._common.utils import get_default_ray_temp_dir
from ray.cluster_utils import Cluster

if __name__ == "__main__":
    os.makedirs(get_default_ray_temp_dir(), exist_ok=True)  # where it notes its address
    small = {"num_cpus": 1, "object_store_memory": 80 * 2**20}
    cluster = Cluster(
        initialize_head=True, head_node_args={**small, "include_dashboard": False, "temp_dir": sys.argv[1]}
    )
    others = [cluster.add_node(**small) for _ in range(2)]
    print(cluster.address, flush=True)
    for _ in sys.stdin:
        cluster.remove_node(others.pop(), allow_graceful=False)
        print("killed", flush=True)
    cluster.shutdown()
