"""Labelled people and people without labels in one stream of batches."""
import dataclasses

import numpy as np
import pytest
import torch
from torch.utils.data import DataLoader

from datasets.annotations.skeleton import load_skeleton
from datasets.coco import MSCOCO
from datasets.samplers import TrainSampler, epoch_order
from datasets.unlabelled.mixed import EASY, HARD, MixedPeople, MixedSampler, training_loader
from utils.errors import UserError

COCO = load_skeleton("coco")


def sampler(rank=0, world_size=1, start_step=0, count=7, batch_size=4) -> MixedSampler:
    labelled = TrainSampler(10, 4, seed=3, epochs=2, start_step=start_step, rank=rank,
                            world_size=world_size)
    return MixedSampler(labelled, count, batch_size, epochs=2, world_size=world_size)


def steps(mixed: MixedSampler) -> list[list]:
    keys, size = list(mixed), mixed.share + 2 * mixed.added_share
    assert len(keys) == len(mixed) and len(keys) % size == 0
    return [keys[first:first + size] for first in range(0, len(keys), size)]


def test_labelled_people_come_as_without_the_others():
    keys = [key for key in sampler() if len(key) == 2]
    assert keys == list(TrainSampler(10, 4, seed=3, epochs=2))


def test_the_others_come_permutation_after_permutation_in_two_views():
    rows = [key for step in steps(sampler()) for key in step if len(key) == 3]
    easy, hard = rows[::2], rows[1::2]
    assert [key[:2] for key in easy] == [key[:2] for key in hard]
    assert {key[2] for key in easy} == {EASY} and {key[2] for key in hard} == {HARD}
    wanted = [*epoch_order(7, 3, 0), *epoch_order(7, 3, 1), *epoch_order(7, 3, 2)][:16]
    assert [key[1] for key in easy] == wanted
    assert [key[0] for key in easy] == np.repeat(range(4), 4).tolist()


def test_more_of_them_in_a_step_than_there_are():
    first, *_ = steps(sampler(count=3, batch_size=8))
    assert [key[1] for key in first[4::2]] == [
        *epoch_order(3, 3, 0), *epoch_order(3, 3, 1), *epoch_order(3, 3, 2)[:2]]


@pytest.mark.parametrize("start", [0, 1, 3])
def test_processes_share_them_and_go_on_anywhere(start):
    whole = steps(sampler())[start:]
    halves = [steps(sampler(rank, 2, start)) for rank in range(2)]
    for both, one, two in zip(whole, *halves, strict=True):
        assert both == [*one[:2], *two[:2], *one[2:], *two[2:]]
    with pytest.raises(UserError, match="data.unlabelled_batch is 5, which 2 processes cannot"):
        sampler(0, 2, batch_size=5)


def loader(config, **options) -> DataLoader:
    return training_loader(config, COCO, **options)


@pytest.fixture
def config(coco_files, config_of):
    return config_of(coco_files, train_ann_path=str(coco_files[0]),
                     train_img_root=str(coco_files[1]), batch_size=3, unlabelled_batch=2,
                     num_workers=0)


def test_a_batch_has_labelled_people_easy_views_and_hard_ones(config):
    batches = iter(loader(config))
    alone = iter(loader(dataclasses.replace(config, data=dataclasses.replace(
        config.data, unlabelled=()))))
    for _ in range(3):
        mixed, plain = next(batches), next(alone)
        labelled, easy, hard = mixed.split((3, 2, 2))
        for field in dataclasses.fields(plain):
            assert torch.equal(getattr(labelled, field.name), getattr(plain, field.name))
        assert torch.equal(easy.index, hard.index) and (easy.index >= 8).all()
        assert torch.equal(easy.image_id, hard.image_id) and not torch.equal(easy.crop, hard.crop)


def test_workers_and_where_it_begins_change_nothing(config):
    config = dataclasses.replace(config, optim=dataclasses.replace(config.optim, epochs=2))
    whole = list(loader(config))
    assert len(whole) == 4      # 2 epochs of 2 steps of 3 in 8
    several = dataclasses.replace(config, data=dataclasses.replace(config.data, num_workers=2))
    for other in (list(loader(several)), whole[:1] + list(loader(config, start_step=1))):
        for one, two in zip(whole, other, strict=True):
            for field in dataclasses.fields(one):
                assert torch.equal(getattr(one, field.name), getattr(two, field.name))


def test_by_default_as_many_as_are_labelled(config):
    config = dataclasses.replace(config, data=dataclasses.replace(
        config.data, unlabelled_batch=0, batch_size=64))
    order = loader(config).sampler
    assert isinstance(order, MixedSampler)
    assert (order.batch_size, order.added, order.persons) == (8, 8, 16)
    assert [order.persons_in(step) for step in (0, 1, 2)] == [8, 16, 16]    # from the second epoch


def test_files_are_named_by_the_index_of_a_sample(config, coco_files):
    people = loader(config).dataset
    assert isinstance(people, MixedPeople) and len(people) == 8
    for index in (0, 7, 8, 15):
        assert people.image_path(index) == people.labelled.image_path(index % 8)
        assert people.picture(index) == f"image {people.image_path(index)}"
    assert people.summary().count("8 persons in 4 images") == 2


def test_without_the_setting_it_is_the_training_set(config):
    config = dataclasses.replace(config, data=dataclasses.replace(config.data, unlabelled=()))
    plain = loader(config)
    assert isinstance(plain.dataset, MSCOCO) and type(plain.sampler) is TrainSampler
