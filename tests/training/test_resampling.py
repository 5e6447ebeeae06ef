"""Which samples each trial is trained and validated on, where trials are resamples."""

import dataclasses

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from sklearn.model_selection import StratifiedGroupKFold, StratifiedKFold
from torch import nn
from torch.utils.data import DataLoader, Dataset, IterableDataset, TensorDataset

from sweeper.config import SweepConfig
from sweeper.errors import InvalidArgument, MissingExtra, NotFiniteData, ProblemError
from sweeper.problem.problem import Problem
from sweeper.seeding import run_seed
from sweeper.training import runs
from sweeper.training.data import ItemSplit, as_split
from sweeper.training.holdout import hold_out
from sweeper.training.resampling.option import Resampling
from sweeper.training.resampling.pool import pool_of, resampled
from sweeper.training.resampling.resampler import Pool, Resampler
from sweeper.training.stream import split_of
from sweeper.training.workspace import Splits, Workspace

CPU = torch.device('cpu')


def resampler(text, pool, seed=0):
    return Resampler(Resampling.parse(text), pool, seed)


@st.composite
def pools(draw, least=12):
    train, val = draw(st.integers(least, 60)), draw(st.integers(4, 40))
    rng = np.random.default_rng(draw(st.integers(0, 99)))
    classes = groups = None
    if draw(st.booleans()):
        classes = rng.permutation(np.arange(train + val) % draw(st.integers(2, 3)))
    if draw(st.booleans()):
        groups = rng.permutation(np.arange(train + val) % draw(st.integers(6, 12)))
    return Pool(train, val, classes, groups)


@given(pools(), st.integers(2, 5), st.integers(0, 3), st.integers(0, 9))
def test_the_folds_of_a_round_are_disjoint_and_together_all_samples(pool, folds, drawn, seed):
    found = resampler(f'folds:{folds}', pool, seed)
    splits = [found.split(drawn * folds + fold) for fold in range(folds)]
    assert (sum(split.is_validation.astype(int) for split in splits) == 1).all()
    for fold, split in enumerate(splits):
        val = int(split.is_validation.sum())
        assert split.place == {'round': drawn, 'fold': fold, 'train': len(pool) - val, 'val': val}
        assert val > 0
        if pool.groups is None:
            assert abs(val - len(pool) / folds) < 1
        else:
            kept, held_out = pool.groups[~split.is_validation], pool.groups[split.is_validation]
            assert not {*kept.tolist()} & {*held_out.tolist()}
        if pool.classes is not None and pool.groups is None:
            share = np.bincount(pool.classes[split.is_validation]) - np.bincount(pool.classes) / folds
            assert (abs(share) < 1).all()


@given(pools(), st.integers(0, 30), st.integers(0, 9))
def test_a_holdout_has_the_original_validation_size(pool, index, seed):
    split = resampler('holdout:10', pool, seed).split(index)
    held_out = split.is_validation
    assert split.place['holdout'] == index
    assert (split.place['train'], split.place['val']) == ((~held_out).sum(), held_out.sum())
    if pool.groups is None:
        assert held_out.sum() == pool.val
    else:
        assert not {*pool.groups[held_out].tolist()} & {*pool.groups[~held_out].tolist()}
    if pool.classes is not None and pool.groups is None:
        share = np.bincount(pool.classes[held_out]) - np.bincount(pool.classes) * pool.val / len(pool)
        assert (abs(share) <= 1).all()


@given(pools(), st.sampled_from(['folds:3', 'holdout:4']), st.permutations(range(8)))
def test_a_split_depends_on_the_seed_and_the_index_only(pool, text, order):
    found, other = resampler(text, pool, 5), resampler(text, pool, 5)
    splits = {index: found.split(index).is_validation for index in order}
    for index in range(8):
        assert (splits[index] == other.split(index).is_validation).all()


def test_other_rounds_and_seeds_give_other_splits_and_the_number_of_holdouts_does_not():
    pool = Pool(80, 20)
    found = resampler('folds:5', pool)
    assert (found.split(0).is_validation != found.split(5).is_validation).any()
    assert (found.split(0).is_validation != resampler('folds:5', pool, 1).split(0).is_validation).any()
    few, many = resampler('holdout:2', pool), resampler('holdout:20', pool)
    assert len({few.split(index).validation.tobytes() for index in range(9)}) == 9
    assert all((few.split(i).is_validation == many.split(i).is_validation).all() for i in range(9))


def test_classes_and_groups_are_split_as_scikit_learn_does():
    rng = np.random.default_rng(0)
    classes, groups = rng.integers(0, 3, 90), rng.integers(0, 20, 90)
    seed = run_seed(7, 'resample', 1) % 2**32
    for pool, kind in (
        (Pool(60, 30, classes), StratifiedKFold),
        (Pool(60, 30, classes, groups), StratifiedGroupKFold),
    ):
        found = resampler('folds:4', pool, 7)
        splitter = kind(4, shuffle=True, random_state=seed)
        expected = splitter.split(np.zeros(90), pool.classes, pool.groups)
        for fold, (_, held_out) in enumerate(expected):
            np.testing.assert_array_equal(np.flatnonzero(found.split(4 + fold).is_validation), held_out)


@pytest.mark.parametrize('text', ['folds:1', 'folds:x', 'folds', 'holdout:0', 'holdout:', '5', 'Folds:5', ''])
def test_a_text_that_says_nothing_is_refused(text):
    with pytest.raises(InvalidArgument, match=rf"^resample='{text}': must be 'folds:' and a number of at"):
        SweepConfig(resample=text)


@pytest.mark.parametrize(
    ('text', 'pool', 'message'),
    [
        ('folds:13', Pool(8, 4), 'there are 12 samples, and at least 13 are needed. Use fewer folds'),
        (
            'folds:3', Pool(8, 4, np.array([0, 0, 0, 7, 7, 0, 0, 0, 0, 0, 0, 3])),
            'class 3 has 1 sample, class 7 has 2 samples, and every class needs at least 3. Leave such '
            'classes out, or use fewer folds',
        ),
        (
            'holdout:9', Pool(8, 4, np.arange(12) // 11),
            'class 1 has 1 sample, and every class needs at least 2. Leave such classes out',
        ),
        ('holdout:9', Pool(8, 2, np.arange(10) % 3), 'there are 3 classes, and only 2 validation samples'),
        (
            'folds:3', Pool(8, 4, groups=np.arange(12) % 2),
            'groups() has 2 different values, and at least 3 are needed. Use fewer folds',
        ),
        ('holdout:1', Pool(8, 4, groups=np.zeros(12, int)), 'groups() has 1 different value, and at least 2'),
    ],
)  # fmt: skip
def test_too_few_samples_are_an_error_that_counts_them(text, pool, message):
    with pytest.raises(ProblemError) as raised:
        resampler(text, pool)
    assert str(raised.value).startswith(f"resample='{text}': {message}")


def test_without_scikit_learn_it_says_what_to_install(monkeypatch):
    monkeypatch.setitem(__import__('sys').modules, 'sklearn', None)
    with pytest.raises(MissingExtra, match=r"resample='folds:3' needs scikit-learn: pip install .*metrics"):
        resampler('folds:3', Pool(8, 4))


# The data of a trial


class Items(Dataset):
    """Read item by item, of a shape that differs, so that they are not put into memory."""

    def __init__(self, numbers, noise=False):
        self.numbers, self.noise, self.read = list(numbers), noise, 0

    def __len__(self):
        return len(self.numbers)

    def __getitem__(self, index):
        self.read += 1
        number = self.numbers[index]
        noise = torch.rand(1).item() if self.noise else 0.0
        return torch.full((2,), float(number) + noise), number % 3


class Numbers(IterableDataset):
    def __len__(self):
        return 9

    def __iter__(self):
        return iter([(torch.zeros(2), 0)] * 9)


def tensors(start, stop):
    numbers = torch.arange(start, stop)
    return TensorDataset(numbers.float()[:, None].repeat(1, 2), numbers % 3)


def problem(**changes):
    base = Problem('here', lambda: nn.Linear(2, 3), nn.CrossEntropyLoss, 'classification', lambda: None, None)
    return dataclasses.replace(base, **changes)


def splits_of(train, val):
    return Splits(*(split_of(data, CPU) for data in (train, val, tensors(90, 96))))


def stacked(items):
    return torch.stack([x for x, _ in items]), torch.tensor([y for _, y in items])


KINDS = {
    'in memory': lambda a, b: tensors(a, b),
    'loaders': lambda a, b: DataLoader(Items(range(a, b)), num_workers=1),
    'own collate_fn': lambda a, b: DataLoader(Items(range(a, b)), collate_fn=stacked),
}


def numbers_in(split):
    inputs, targets = split.batch(torch.arange(len(split)))
    assert (inputs[:, 0].long() % 3 == targets).all()
    return inputs[:, 0].long().tolist()


@pytest.mark.parametrize('kind', KINDS)
@pytest.mark.parametrize('text', ['folds:4', 'holdout:2'])
def test_a_trial_has_each_sample_once_in_the_order_of_the_pool(kind, text):
    splits = splits_of(KINDS[kind](0, 40), KINDS[kind](40, 60))
    pool = pool_of(problem(), splits, text)
    assert (pool.train, pool.val) == (40, 20)
    np.testing.assert_array_equal(pool.classes, np.arange(60) % 3)
    workspace = Workspace(problem(), splits, CPU)
    for index in (0, 5):
        split = resampler(text, pool).split(index)
        own = resampled(workspace, split)
        assert numbers_in(own.splits.val) == np.flatnonzero(split.is_validation).tolist()
        assert numbers_in(own.splits.train) == np.flatnonzero(~split.is_validation).tolist()
        assert own.splits.test is splits.test
    assert workspace.splits is splits and len(splits.train) == 40


def test_items_are_read_as_their_own_loader_says():
    def doubled(items):
        x, y = stacked(items)
        return 2 * x, y

    splits = splits_of(
        DataLoader(Items(range(8)), collate_fn=doubled), DataLoader(Items(range(8, 12)), collate_fn=stacked)
    )
    split = resampler('folds:2', pool_of(problem(), splits, 'folds:2')).split(0)
    train, val, _ = resampled(Workspace(problem(), splits, CPU), split).splits
    for part, factor, chosen in ((train, 2, ~split.is_validation), (val, 1, split.is_validation)):
        inputs, _ = part.batch(torch.arange(len(part)))
        assert inputs[:, 0].tolist() == (factor * np.flatnonzero(chosen)).tolist()


def test_classes_are_read_off_targets_only_if_they_are_those_of_the_items():
    class Listed(Items):
        targets = property(lambda self: [(number + self.wrong) % 3 for number in self.numbers])
        wrong = 0

    honest, wrong = Listed(range(60)), Listed(range(60, 90))
    wrong.wrong = 1
    splits = Splits(ItemSplit(honest, CPU), ItemSplit(wrong, CPU), None)
    honest.read = wrong.read = 0
    pool = pool_of(problem(), splits, 'folds:3')
    np.testing.assert_array_equal(pool.classes, np.arange(90) % 3)
    assert honest.read < 60 <= wrong.read + 30, 'read all only where need be'


@pytest.mark.parametrize('targets', [torch.rand(60), torch.rand(60, 2) > 0.5, torch.zeros(60, 1).long()])
def test_targets_that_are_no_class_indices_are_not_stratified(targets):
    data = TensorDataset(torch.rand(60, 2), targets)
    assert pool_of(problem(), splits_of(data, data), 'folds:3').classes is None


def test_groups_may_be_any_values():
    names = np.array(['b', 'a', 'c'])[np.arange(60) % 3]
    pool = pool_of(problem(groups=lambda: names), splits_of(tensors(0, 40), tensors(40, 60)), 'folds:3')
    np.testing.assert_array_equal(pool.groups, np.array([1, 0, 2])[np.arange(60) % 3])
    kept = resampler('folds:3', pool).split(1).is_validation
    assert len({*names[kept]}) == 1


def no_groups():
    raise KeyError('patient')


@pytest.mark.parametrize(
    ('train', 'val', 'changes', 'message'),
    [
        (Numbers(), tensors(0, 9), {}, 'the training data is a stream, which cannot be split'),
        (tensors(0, 9), Numbers(), {}, 'the validation data is a stream'),
        (tensors(0, 9), tensors(0, 9), {'load_datasets': None}, "'here' has no dataset() to be split"),
        (
            KINDS['loaders'](0, 9), tensors(0, 9), {},
            'of training and validation data, one is held in memory and the other is read item by item',
        ),
        (
            DataLoader(Items(range(9), noise=True), num_workers=1), KINDS['loaders'](0, 9), {},
            'items of the training data differ each time they are read',
        ),
        (
            tensors(0, 9), TensorDataset(torch.rand(9, 3), torch.arange(9) % 3), {},
            'training and validation data must have items of one kind; they have (2,) float32 and () int64 '
            'and (3,) float32 and () int64',
        ),
        (
            tensors(0, 9), tensors(9, 12), {'groups': lambda: range(9)},
            "groups() of 'here' must return one value for each of the 9 training samples, and then of the 3 "
            'validation samples; got an array of shape (9,)',
        ),
        (tensors(0, 9), tensors(9, 12), {'groups': no_groups}, "groups() of 'here' raised KeyError"),
    ],
)  # fmt: skip
def test_data_that_cannot_be_split_anew_are_an_error(train, val, changes, message):
    with pytest.raises(ProblemError) as raised:
        pool_of(problem(**changes), splits_of(train, val), 'folds:3')
    assert str(raised.value).startswith(f"resample='folds:3': {message}")


PLAN = runs.TrainingPlan(lr_min=0.01, lr_max=0.1, batch_size=9, epochs=2, cycle_size_epochs=1)


def test_a_trial_is_trained_and_scored_on_its_split():
    splits = splits_of(tensors(0, 40), tensors(40, 60))
    space = Workspace(problem(), splits, CPU, 'lanes')
    found = resampler('folds:4', pool_of(problem(), splits, 'folds:4')).split(2)
    (done,) = runs.train_fully(space, (), [3], PLAN, 2, None, found)
    own = resampled(dataclasses.replace(space, step='auto'), found)
    (expected,) = runs.train_fully(own, (), [3], PLAN, 2)
    assert done['split'] == {'round': 0, 'fold': 2, 'train': 45, 'val': 15}
    assert done['scores'] == expected['scores'] and done['model'] == expected['model']
    assert 'not in lanes' in str(done['step']) and 'a split of the data of its own' in str(done['step'])


def test_a_sample_that_is_not_finite_is_counted_in_the_split():
    data = tensors(0, 40)
    data.tensors[0][7] = torch.nan
    splits = Splits(*(as_split(part, CPU) for part in (data, tensors(40, 60))), None)
    found = resampler('folds:4', Pool(40, 20)).split(0)
    with pytest.raises(NotFiniteData, match=r'samples are counted within the split of this trial'):
        runs.train_fully(Workspace(problem(), splits, CPU), (), [3], PLAN, 0, None, found)


def test_groups_go_with_the_samples_of_a_trial():
    splits, groups = splits_of(tensors(0, 60), tensors(60, 90)), np.arange(90) // 5
    pool = Pool(60, 30, None, groups)
    split = resampler('folds:3', pool).split(1)
    own = resampled(Workspace(problem(), splits, CPU, groups=groups), split)
    numbers = torch.cat([own.splits.train.data[0][:, 0], own.splits.val.data[0][:, 0]]).long()
    np.testing.assert_array_equal(own.groups, groups[numbers])
    parts = hold_out(own, 0, 10)
    held_out = own.splits.train.data[0][parts.scored.places(torch.arange(len(parts.scored))), 0].long()
    trained = own.splits.train.data[0][parts.trained, 0].long()
    assert len(held_out) and not {*(groups[held_out])} & {*(groups[trained])}
