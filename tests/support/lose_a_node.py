"""lose_a_node.py CLIPS OUT: a batch on a cluster of three nodes, one of which goes away while it works."""

import sys
from threading import Thread

from ray.cluster_utils import Cluster

from pipelines.batch.manifest import Manifest
from pipelines.cli.commands import main
from tests.support.batches import SMALL

cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 0, "include_dashboard": False})
nodes = [cluster.add_node(num_cpus=1) for _ in range(3)]
begun = []
begin, back = Manifest.begin, Manifest.back


def begin_and_lose(manifest, item, node):
    begin(manifest, item, node)
    begun.append(item)
    if len(begun) == 3:  # all of them are at work
        Thread(target=cluster.remove_node, args=(nodes[1],), kwargs={"allow_graceful": False}).start()


def told_back(manifest, item, reason, counted):
    print(item.id, reason, counted, flush=True)
    back(manifest, item, reason, counted)


Manifest.begin, Manifest.back = begin_and_lose, told_back
code = main(["batch", sys.argv[1], sys.argv[2], *SMALL, "--on", "ray", "--workers", "3", "--address", cluster.address])
cluster.shutdown()
sys.exit(code)
