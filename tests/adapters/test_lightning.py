"""A Lightning module is a problem: it is trained by its own step, and what would be ignored is an error."""

import io
import json
import types

import pytest
import sklearn.metrics
import torch
from torch import nn
from torch.nn import functional
from torch.utils.data import DataLoader, TensorDataset

from sweeper import FixedSweep, adapters, load_model, sweep
from sweeper.errors import ProblemError
from sweeper.problem.problem import load_problem
from sweeper.problem.reference import find_problem
from sweeper.training.checking.dry_run import dry_run
from sweeper.training.data import as_split
from sweeper.training.runs import TrainingPlan, train_fully
from sweeper.training.workspace import Splits, Workspace

pytestmark = pytest.mark.slow  # Lightning takes seconds to be imported
L = pytest.importorskip('lightning')

CPU = torch.device('cpu')
PLAN = TrainingPlan(lr_min=0.01, lr_max=0.1, batch_size=8, epochs=10, cycle_size_epochs=5)


def tensors():
    generator = torch.Generator().manual_seed(1)
    inputs = torch.randn(70, 6, generator=generator)
    return inputs, (inputs[:, 0] > 0).long() + (inputs[:, 1] > 1).long()


class Module(L.LightningModule):
    def __init__(self, width=9, lr=1e-3):
        super().__init__()
        self.save_hyperparameters()
        self.layers = nn.Sequential(nn.Linear(6, width), nn.ReLU(), nn.Linear(width, 3))

    def forward(self, inputs):
        return self.layers(inputs)

    def training_step(self, batch, batch_idx):
        loss = functional.cross_entropy(self(batch[0]), batch[1], label_smoothing=0.1)
        self.log('train_loss', loss, prog_bar=True)
        self.log_dict({'twice': 2 * loss}, on_step=True)
        return loss

    def validation_step(self, batch, batch_idx):
        self.log('val_loss', functional.cross_entropy(self(batch[0]), batch[1]))

    def configure_optimizers(self):
        return torch.optim.SGD(self.parameters(), lr=self.hparams.lr, momentum=0.5)


class Data(L.LightningDataModule):
    def setup(self, stage):
        setattr(self, stage, TensorDataset(*tensors()))

    def train_dataloader(self):
        return DataLoader(self.fit, batch_size=7, shuffle=True)

    def val_dataloader(self):
        return DataLoader(self.fit)


def problem_of(module, data=Data, beside=None, **options):
    given = types.SimpleNamespace(problem=adapters.lightning(module, data, **options), **(beside or {}))
    return load_problem(find_problem(given))


def workspace(problem, kind='eager'):
    splits = [as_split(given, CPU) for given in problem.datasets()]
    return Workspace(problem, Splits(splits[0], splits[1], None), CPU, kind)


def fault_of(module, **options):
    """The message of a dry run."""
    fault = dry_run(workspace(problem_of(module, **options)), (), 0).fault
    return '' if fault is None else fault.message


def trained(problem, kind, lanes=False):
    (first, *_) = train_fully(workspace(problem, kind), (), [3, 4] if lanes else [3], PLAN)
    return {'step': first['step'], **first['scores']}


# As it would be written by hand


def by_hand():
    def step(model, batch):
        smoothing = 0.1 if model.training else 0.0
        return functional.cross_entropy(model.layers(batch[0]), batch[1], label_smoothing=smoothing)

    split = TensorDataset(*tensors())
    given = types.SimpleNamespace(
        model=Module,
        dataset=lambda: (split, split),
        accuracy_style='inv-loss',
        step=step,
        optimizer=lambda parameters, lr: torch.optim.SGD(parameters, lr=lr, momentum=0.5),
    )
    return load_problem(find_problem(given))


@pytest.mark.parametrize('kind', ['eager', 'captured', 'lanes'])
def test_it_trains_as_the_same_step_written_by_hand(kind):
    ours, other = (trained(one, kind, lanes=kind == 'lanes') for one in (problem_of(Module), by_hand()))
    assert ours['step'][0] == other['step'][0] == kind
    for name in ('loss_train', 'loss_val', 'perf_train', 'perf_val'):
        assert ours[name] == other[name], name


def test_a_file_with_it_is_swept_by_worker_processes_and_its_model_is_loaded(tmp_path, tiny):
    path = tmp_path / 'with_lightning.py'
    path.write_text(SOURCE)
    selector = FixedSweep.with_fixed_trials([(3,), (5,)], trials=1)
    results = sweep(path, selector, 1, tiny, tmp_path / 'out', step='captured', progress='none')
    assert [result.params for result in results] == [(3,), (5,)] and not results.failures
    result = json.loads((tmp_path / 'out/points/0/trials/0/result.json').read_text())
    assert result['step'] == 'captured'
    assert type(load_model(tmp_path / 'out')).__name__ == 'Module'


SOURCE = """
import lightning as L
import torch
from torch.utils.data import TensorDataset
import sweeper


class Module(L.LightningModule):
    def __init__(self, width):
        super().__init__()
        first, last = torch.nn.Linear(6, width), torch.nn.Linear(width, 3)
        self.layers = torch.nn.Sequential(first, torch.nn.ReLU(), last)

    def forward(self, inputs):
        return self.layers(inputs)

    def training_step(self, batch):
        loss = torch.nn.functional.cross_entropy(self(batch[0]), batch[1])
        self.log('train_loss', loss)
        return {'loss': loss}

    def configure_optimizers(self):
        return {'optimizer': torch.optim.Adam(self.parameters())}


def data():
    inputs = torch.randn(90, 6, generator=torch.Generator().manual_seed(1))
    targets = (inputs[:, 0] > 0).long() + (inputs[:, 1] > 1).long()
    return TensorDataset(inputs[:60], targets[:60]), TensorDataset(inputs[60:], targets[60:])


problem = sweeper.adapters.lightning(Module, data)
accuracy_style = 'classification'
"""


# What is scored


def loss_in_evaluation(module, **options):
    problem = problem_of(module, **options)
    model = problem.model(()).eval()
    with torch.no_grad():
        return problem.step(model, tensors()), functional.cross_entropy(model(tensors()[0]), tensors()[1])


def test_the_loss_is_what_validation_logs_or_returns():
    class Returning(Module):
        def validation_step(self, batch, batch_idx):
            self.log('val_acc', 0.5)
            return {'loss': functional.cross_entropy(self(batch[0]), batch[1])}

    class Other(Module):
        def validation_step(self, batch, batch_idx):
            self.log_dict(
                {'mine': functional.cross_entropy(self(batch[0]), batch[1]).item(), 'val_loss': 7.0}
            )

    for module, options in ((Module, {}), (Returning, {}), (Other, {'val_loss': 'mine'})):
        assert torch.isclose(*loss_in_evaluation(module, **options))


def test_without_a_loss_in_validation_the_message_says_what_it_logs():
    class Module2(Module):
        def validation_step(self, batch, batch_idx):
            self.log('val_nll', 0.5)

    with pytest.raises(ProblemError, match="neither logs 'val_loss' nor returns a loss; it logs 'val_nll'"):
        loss_in_evaluation(Module2)


def test_names_in_the_file_come_before_those_of_the_object():
    problem = problem_of(Module, beside={'accuracy_style': 'classification', 'schedule': 'cosine'})
    assert (problem.accuracy_style, problem.schedule) == ('classification', 'cosine')
    assert problem.step is not None and problem.parameters.signature.parameter_names() == ['width', 'lr']
    assert 0.5 < trained(problem, 'captured')['perf_val'] <= 1


def test_metrics_in_the_module_do_not_remember_other_batches():
    torchmetrics = pytest.importorskip('torchmetrics')

    class Measuring(Module):
        def __init__(self):
            super().__init__()
            self.mean = torchmetrics.MeanMetric()

        def validation_step(self, batch, batch_idx):
            self.mean(functional.cross_entropy(self(batch[0]), batch[1]))
            self.log('val_loss', self.mean)

        def training_step(self, batch, batch_idx):
            self.mean(batch[0].sum())
            return super().training_step(batch, batch_idx)

    problem = problem_of(Measuring)
    model = problem.model(())
    problem.step(model, tensors())
    model.eval()
    inputs, targets = tensors()
    for part in (slice(0, 9), slice(9, 30)):
        expected = functional.cross_entropy(model(inputs[part]), targets[part])
        assert torch.isclose(problem.step(model, (inputs[part], targets[part])), expected)
    assert trained(problem, 'captured')['loss_val'] == trained(problem_of(Module), 'captured')['loss_val']


class Monitored(Module):
    def __init__(self, width=9, lr=1e-3):
        super().__init__(width, lr)
        from torchmetrics.classification import MulticlassF1Score

        self.f1 = MulticlassF1Score(3, average='macro')

    def validation_step(self, batch, batch_idx):
        logits = self(batch[0])
        self.log('val_loss', functional.cross_entropy(logits, batch[1]))
        self.log('val/acc', (logits.argmax(1) == batch[1]).float().mean())
        self.f1(logits, batch[1])
        self.log('val_f1', self.f1)


@pytest.mark.parametrize('monitor', ['val/acc', 'val_f1'])
def test_what_is_monitored_is_what_is_compared(monitor, monkeypatch):
    monkeypatch.setattr('sweeper.training.scoring.evaluation._EVALUATION_BATCH', 23)
    problem = problem_of(Monitored, monitor=monitor, mode='max')
    assert problem.objective.higher and problem.objective.name == monitor.replace('/', '_')
    (done,) = train_fully(workspace(problem, 'captured'), (), [3], PLAN)
    assert 0.5 < done['scores']['perf_val'] < 1
    model = problem.model(())
    model.load_state_dict(torch.load(io.BytesIO(done['model']), weights_only=True))
    predicted, targets = model.eval()(tensors()[0]).argmax(1), tensors()[1]
    expected = {
        'val/acc': sklearn.metrics.accuracy_score(targets, predicted),
        'val_f1': sklearn.metrics.f1_score(targets, predicted, average='macro'),
    }
    assert done['scores']['perf_val'] == pytest.approx(expected[monitor])


def test_what_is_monitored_must_be_logged_and_have_a_direction():
    with pytest.raises(
        ProblemError, match="does not log 'val_auc', which is monitored; it logs 'val_loss', 'val/acc'"
    ):
        trained(problem_of(Monitored, monitor='val_auc', mode='max'), 'eager')
    with pytest.raises(ProblemError, match="monitor='val/acc', mode=None"):
        adapters.lightning(Monitored, Data, monitor='val/acc')


# The optimizer


def rates(module, lr, **options):
    problem = problem_of(module, **options)
    return [group['lr'] for group in problem.build_optimizer(problem.model(()), lr).param_groups]


def test_the_tuned_rate_takes_the_place_of_the_modules_own_and_groups_keep_their_ratios():
    class Groups(Module):
        def configure_optimizers(self):
            groups = [{'params': [p], 'lr': 0.01 * 2**-n} for n, p in enumerate(self.parameters())]
            return [torch.optim.Adam(groups)]

    assert rates(Module, 0.3) == [0.3]
    assert rates(Groups, 0.4) == pytest.approx([0.4, 0.2, 0.1, 0.05])


def test_a_scheduler_is_an_error_or_left_out():
    class Warm(Module):
        def configure_optimizers(self):
            optimizer = super().configure_optimizers()
            warm = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: step / 100)
            return [optimizer], [{'scheduler': warm, 'interval': 'step'}]

    class AsDict(Module):
        def configure_optimizers(self):
            optimizer = super().configure_optimizers()
            cosine = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, 9)
            return {'optimizer': optimizer, 'lr_scheduler': {'scheduler': cosine}}

    assert 'a scheduler (LambdaLR), which would be ignored' in fault_of(Warm)
    assert 'a scheduler (CosineAnnealingLR), which would be ignored' in fault_of(AsDict)
    for module in (Warm, AsDict):
        assert rates(module, 0.3, ignored=('lr_scheduler',)) == pytest.approx([0.3])
        assert fault_of(module, ignored=('lr_scheduler',)) == ''


# What would be ignored


def test_several_optimizers_and_manual_optimization_are_errors():
    class Two(Module):
        def configure_optimizers(self):
            return [torch.optim.SGD(self.layers[index].parameters(), lr=1) for index in (0, 2)]

    class Manual(Module):
        def __init__(self):
            super().__init__()
            self.automatic_optimization = False

    assert 'must return one torch.optim.Optimizer; it returns 2' in fault_of(Two)
    assert 'automatic_optimization is False' in fault_of(Manual)


@pytest.mark.parametrize('name', ['current_epoch', 'global_step', 'trainer.max_epochs'])
def test_what_changes_with_time_is_an_error_rather_than_always_0(name):
    class Annealing(Module):
        def training_step(self, batch, batch_idx):
            weight = eval(f'self.{name}')
            return super().training_step(batch, batch_idx) * (1 + weight)

    assert f"asks for the trainer's {name.rpartition('.')[2]}" in fault_of(Annealing)


def test_questions_that_have_an_answer_without_a_trainer_are_answered():
    class Asking(Module):
        def training_step(self, batch, batch_idx):
            if not self.trainer.is_global_zero or self.global_rank != 0 or self.logger is not None:
                raise ValueError  # `assert`, as pytest has it, would not be captured
            return super().training_step(batch, batch_idx)

    assert fault_of(Asking) == ''
    assert trained(problem_of(Asking), 'captured')['step'][0] == 'captured'


@pytest.mark.parametrize(
    'name',
    ['optimizer_step', 'on_train_epoch_end', 'setup', 'on_after_batch_transfer', 'on_validation_epoch_end'],
)
def test_hooks_that_nobody_calls_are_errors_unless_they_do_not_matter(name):
    module = type('Hooked', (Module,), {name: lambda self, *_: None})
    with pytest.raises(ProblemError, match=f'Hooked defines {name}, which only'):
        adapters.lightning(module, Data)
    assert fault_of(module, ignored=[name]) == ''


NOT_CALLED = ('test', 'predict', 'checkpoint', 'teardown')  # of what sweeps do not do: no error


def test_every_hook_is_an_error_or_called_or_of_what_sweeps_do_not_do():
    hooks = {
        name for base in L.LightningModule.__mro__[1:] if 'hooks' in base.__module__ for name in vars(base)
    }
    called = {'configure_model'}
    for name in sorted(name for name in hooks - called if not name.startswith('_')):
        module = type('Hooked', (Module,), {name: lambda self, *_: None})
        if any(part in name for part in NOT_CALLED) and name != 'test_dataloader':
            adapters.lightning(module, Data)
        else:
            with pytest.raises(ProblemError, match=f'Hooked defines {name}, which only'):
                adapters.lightning(module, Data)


@pytest.mark.parametrize('read', ['% 100 == 0', '== 0', '> 3', '* 0.1', 'or 5', '+ 1', '** 2'])
@pytest.mark.parametrize('name', ['training_step', 'validation_step'])
def test_reading_the_number_of_a_batch_is_an_error_rather_than_always_0(name, read):
    def step(self, batch, batch_idx):
        eval(f'batch_idx {read}')
        return getattr(Module, name)(self, batch, batch_idx)

    module = type('Numbered', (Module,), {name: step})
    assert 'Numbered reads batch_idx, but batches are not numbered' in fault_of(module)
    assert fault_of(module, ignored=('batch_idx',)) == ''


def test_passing_the_number_of_a_batch_on_is_captured():
    class Passing(Module):
        def training_step(self, batch, batch_idx):
            return self.shared(batch, batch_idx)

        def shared(self, batch, batch_idx):
            return super().training_step(batch, batch_idx)

    assert trained(problem_of(Passing), 'captured') == trained(problem_of(Module), 'captured')


def test_batch_hooks_of_the_data_are_errors():
    data = type('Augmenting', (Data,), {'on_after_batch_transfer': lambda self, batch, _: batch})
    with pytest.raises(ProblemError, match='Augmenting defines on_after_batch_transfer'):
        adapters.lightning(Module, data).dataset()


def test_a_learning_rate_of_a_point_is_an_error():
    problem = problem_of(Module)
    with pytest.raises(ProblemError, match=r'lr=0\.1 of Module: the learning rate is tuned'):
        problem.build_model(9, lr=0.1)


@pytest.mark.parametrize(
    ('module', 'options', 'told'),
    [
        (nn.Linear, {}, 'needs the class of a LightningModule'),
        (Module(), {}, 'needs the class of a LightningModule'),
        (type('Empty', (L.LightningModule,), {}), {}, 'Empty has no training_step'),
        (Module, {'ignored': ('on_train_epoch_ends',)}, 'valid are some of on_fit_start'),
        (Module, {'ignored': 'setup'}, "ignored='setup'"),
    ],
)
def test_what_is_no_module_is_an_error(module, options, told):
    with pytest.raises(ProblemError, match=told):
        adapters.lightning(module, Data, **options)


# Data


def test_data_is_a_module_its_class_or_a_function_and_has_a_test_split_if_it_has_a_loader():
    with_test = type('WithTest', (Data,), {'test_dataloader': lambda self: [DataLoader(self.test)]})
    plain = TensorDataset(*tensors())
    for data, count in (
        (Data, 2),
        (Data(), 2),
        (lambda: Data(), 2),
        (with_test, 3),
        (lambda: (plain, plain), 2),
    ):
        assert len(adapters.lightning(Module, data).dataset()) == count
    without = type(
        'Without', (L.LightningDataModule,), {'train_dataloader': Data.train_dataloader, 'setup': Data.setup}
    )
    with pytest.raises(ProblemError, match='Without has no val_dataloader'):
        adapters.lightning(Module, without).dataset()
    with pytest.raises(ProblemError, match='got 7'):
        adapters.lightning(Module, 7).dataset()


# Without the adapter


def test_a_module_with_a_step_that_nobody_would_call_is_an_error():
    split = TensorDataset(*tensors())
    names = {
        'model': Module,
        'dataset': lambda: (split, split),
        'loss': nn.CrossEntropyLoss,
        'accuracy_style': 'classification',
    }
    plain = load_problem(find_problem(types.SimpleNamespace(**names)))
    fault = dry_run(workspace(plain), (), 0).fault
    assert fault.is_certain and 'sweeper.adapters.lightning(Module, data)' in fault.message
    names['step'] = lambda model, batch: model.training_step(batch, 0)  # somebody does
    names['model'] = adapters.lightning(Module, Data).model
    plain = load_problem(find_problem(types.SimpleNamespace(**names)))
    assert 'configure_optimizers, which would be ignored' in dry_run(workspace(plain), (), 0).fault.message
    names['optimizer'] = lambda model, lr: torch.optim.SGD(model.parameters(), lr=lr)
    assert dry_run(workspace(load_problem(find_problem(types.SimpleNamespace(**names)))), (), 0).fault is None
