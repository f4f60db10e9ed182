"""Order and shards: the same samples for every number of processes, none lost, none twice."""
import numpy as np
import pytest

from datasets.samplers import TrainSampler, epoch_order, val_shard


def batches(rank: int = 0, world_size: int = 1, start_step: int = 0, **changes) -> np.ndarray:
    """(steps, share, 2) of (epoch, index)."""
    options = {"num_samples": 50, "batch_size": 12, "seed": 3, "epochs": 3, **changes}
    sampler = TrainSampler(start_step=start_step, rank=rank, world_size=world_size, **options)
    rows = np.array(list(sampler))
    assert len(rows) == len(sampler)
    return rows.reshape(-1, sampler.share, 2)


def test_an_epoch_is_a_permutation_without_the_rest():
    rows = batches()
    assert rows.shape == (12, 12, 2)        # 4 whole batches of 12 in 50, 3 epochs
    for epoch in range(3):
        part = rows[4 * epoch:4 * epoch + 4].reshape(-1, 2)
        assert (part[:, 0] == epoch).all() and len(set(part[:, 1])) == 48
        assert np.array_equal(part[:, 1], epoch_order(50, 3, epoch)[:48])
    assert not np.array_equal(rows[:4, :, 1], rows[4:8, :, 1])
    assert not np.array_equal(rows[..., 1], batches(seed=4)[..., 1])


@pytest.mark.parametrize("world_size", [2, 3, 4])
def test_processes_share_exactly_the_global_batch(world_size):
    shares = [batches(rank, world_size) for rank in range(world_size)]
    assert np.array_equal(np.concatenate(shares, axis=1), batches())


@pytest.mark.parametrize("start", [0, 1, 4, 7, 12])
def test_a_run_goes_on_where_it_was(start):
    rows = batches(start_step=start, world_size=2, rank=1)
    assert np.array_equal(rows, batches(world_size=2, rank=1)[start:])


def test_iterating_again_gives_the_same():
    sampler = TrainSampler(10, 4, seed=0, epochs=2)
    assert list(sampler) == list(sampler)


@pytest.mark.parametrize("world_size", [1, 2, 3, 5, 40])
def test_val_shards_cover_everything_once_by_image(world_size):
    images = np.repeat(np.arange(20), np.random.default_rng(0).integers(1, 6, 20))
    shards = [val_shard(images, rank, world_size) for rank in range(world_size)]
    assert [i for shard in shards for i in shard] == list(range(len(images)))
    owners = [set(images[list(shard)]) for shard in shards]
    assert sum(len(owner) for owner in owners) == 20        # no image in two shards
    assert max(map(len, shards)) <= len(images) / world_size + 5


def test_val_shard_of_nothing():
    assert len(val_shard(np.zeros(0, np.int32), 0, 2)) == 0
