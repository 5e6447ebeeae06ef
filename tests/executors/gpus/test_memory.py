"""What is asked of torch to measure a run, and which errors mean that memory ran out."""

import pytest
import torch

from sweeper.executors.gpus.memory import CudaMeter, GpuMemory, is_out_of_memory, meter_of


class Allocator:
    """The part of `torch.cuda` that a meter asks, over an allocator that keeps what it has reserved."""

    def __init__(self, total):
        self.total, self.reserved, self.in_use, self.peak = total, 0, 0, 0
        self.is_initialised = self.is_broken = False

    def init(self):
        self.is_initialised = True

    def take(self, size):
        self.in_use += size
        self.reserved = max(self.reserved, self.in_use)
        self.peak = max(self.peak, self.reserved)

    def empty_cache(self):
        self.reserved = self.in_use

    def reset_peak_memory_stats(self, device):
        assert self.is_initialised
        self.peak = self.reserved

    def synchronize(self, device):
        if self.is_broken:
            raise RuntimeError('CUDA error: an illegal memory access was encountered')

    def max_memory_reserved(self, device):
        return self.peak

    def memory_reserved(self, device):
        return self.reserved

    def mem_get_info(self, device):
        return self.total - self.reserved, self.total


@pytest.fixture
def allocator(monkeypatch):
    allocator = Allocator(1000)
    monkeypatch.setattr(torch, 'cuda', allocator)
    return allocator


def test_each_run_is_measured_by_itself_and_what_it_leaves_in_the_cache_is_given_back(allocator):
    meter = CudaMeter(torch.device('cuda:0'))
    allocator.take(50)  # the data
    measured = []
    for size in (300, 100):
        meter.begin()
        allocator.take(size)
        allocator.take(-size)
        measured.append(meter.end())
    assert measured == [GpuMemory(350, 50, 950, 1000), GpuMemory(150, 50, 950, 1000)]


def test_a_gpu_that_a_kernel_has_broken_says_so(allocator):
    allocator.is_broken = True
    with pytest.raises(RuntimeError, match='illegal memory access'):
        CudaMeter(torch.device('cuda:0')).end()


def test_a_cpu_is_not_measured():
    assert meter_of(torch.device('cpu')) is None
    assert isinstance(meter_of(torch.device('cuda:0')), CudaMeter)


@pytest.mark.parametrize(
    'line',
    [
        'torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 20.00 GiB. GPU 0 has …',
        'torch.cuda.OutOfMemoryError: CUDA out of memory.',
        'RuntimeError: CUDA error: out of memory',
        'torch.AcceleratorError: CUDA error: out of memory',
        'RuntimeError: CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`',
        'RuntimeError: CUDA error: CUBLAS_STATUS_NOT_INITIALIZED when calling `cublasCreate(handle)`',
        'RuntimeError: cuDNN error: CUDNN_STATUS_ALLOC_FAILED',
        'RuntimeError: cuDNN error: CUDNN_STATUS_INTERNAL_ERROR_DEVICE_ALLOCATION_FAILED',
        'RuntimeError: cuFFT error: CUFFT_ALLOC_FAILED',
    ],
)
def test_errors_of_torch_and_of_libraries_say_that_a_gpu_has_no_memory_left(line):
    traceback = (
        f'Traceback (most recent call last):\n  File "model.py", line 3, in model\n    x = y @ z\n{line}\n'
    )
    assert is_out_of_memory(traceback)
    assert is_out_of_memory(
        f'{traceback}\nDuring handling of the above exception, another occurred:\n\nValueError: no\n'
    )


@pytest.mark.parametrize(
    'line',
    [
        'MemoryError',
        "RuntimeError: [enforce fail at alloc_cpu.cpp:127] DefaultCPUAllocator: can't allocate memory",
        'RuntimeError: CUDA error: device-side assert triggered',
        'RuntimeError: cuDNN error: CUDNN_STATUS_EXECUTION_FAILED',
    ],
)
def test_other_errors_do_not(line):
    source = '    except torch.OutOfMemoryError as error:  # CUDA out of memory\n'
    assert not is_out_of_memory(f'Traceback (most recent call last):\n{source}{line}\n')
