"""Workers on Ray that render nothing: who dies is replaced, and whose machine is lost is not to blame."""

import os
import signal
from importlib.util import find_spec

import pytest

from pipelines.batch.local_workers import WorkerLost
from pipelines.batch.options import BatchOptions
from pipelines.batch.outcome import ItemOutcome
from pipelines.output_path import UsageError
from pipelines.streaming.ray_cluster import QUIET_RAY_VARIABLES
from tests.support.fake_workers import batch_item

pytestmark = pytest.mark.skipif(find_spec("ray") is None, reason="Ray is not installed")


@pytest.fixture(scope="module", autouse=True)
def ray():
    """A Ray that says it has one GPU."""
    os.environ.update(QUIET_RAY_VARIABLES)
    import ray

    ray.init(address="local", num_gpus=1, include_dashboard=False, log_to_driver=False, logging_level="ERROR")
    yield ray
    ray.shutdown()


@pytest.fixture
def pool(monkeypatch, tmp_path):
    """A worker with more than half of the GPU, so that there is no room for a second."""
    from pipelines.batch import ray_workers

    class Actor(ray_workers.BatchItemActor):
        def __init__(self, path, gpus):
            assert os.environ["CUDA_VISIBLE_DEVICES"] == "0"
            assert gpus == 0.6

        def perform(self, item):
            if "poison" in item.id:
                os.kill(os.getpid(), signal.SIGKILL)
            return ItemOutcome("done", node=str(os.getpid()))

    monkeypatch.setattr(ray_workers, "BatchItemActor", Actor)
    with ray_workers.ray_worker_pool(BatchOptions(on="ray", workers=1, gpus_per_worker=0.6), 2) as pool:
        yield pool


def ended(pool, item):
    while not pool.idle_workers():
        pool.wait(0.5)
    pool.start(item)
    while not (some := pool.wait(0.5)):
        pass
    ((which, result),) = some
    assert which is item
    return result


def test_a_worker_that_dies_is_replaced_and_its_item_counts(pool, tmp_path):
    first = ended(pool, batch_item(tmp_path, "a"))
    lost = ended(pool, batch_item(tmp_path, "poison"))
    second = ended(pool, batch_item(tmp_path, "b"))
    assert first.kind == second.kind == "done"
    assert first.node != second.node
    assert isinstance(lost, WorkerLost)
    assert lost.counted
    assert lost.reason.startswith("the worker process died")
    assert len(lost.reason.splitlines()) == 1


def test_a_worker_whose_machine_is_gone_is_replaced_and_its_item_does_not_count(pool, tmp_path, monkeypatch, ray):
    ended(pool, batch_item(tmp_path, "a"))
    monkeypatch.setattr(pool.ray, "nodes", lambda: [{"Alive": False, "NodeID": pool.members[0].node[0]}])
    lost = ended(pool, batch_item(tmp_path, "poison"))
    assert (isinstance(lost, WorkerLost), lost.counted) == (True, False)
    assert lost.reason.startswith("the worker's machine was lost")
    assert ended(pool, batch_item(tmp_path, "b")).kind == "done"


def test_gpus_that_are_not_there_are_refused():
    from pipelines.batch.ray_workers import ray_worker_pool

    with (
        pytest.raises(UsageError, match="GPUs"),
        ray_worker_pool(BatchOptions(on="ray", workers=2, gpus_per_worker=1), 2),
    ):
        pass
