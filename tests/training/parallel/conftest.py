"""Two processes that are ranks of one run, for tests: they live as long as the tests do."""

import multiprocessing
import socket
import traceback

import pytest
import torch

from sweeper.training.parallel.ranks import HOST, Ranks

SIZE = 2
SECONDS_TO_ANSWER = 300  # after which something hangs


class Pair:
    """Two processes that call what they are told, each with its `Ranks` as the first argument."""

    def __init__(self):
        self._server = socket.create_server((HOST, 0))
        port = self._server.getsockname()[1]
        self._store = torch.distributed.TCPStore(
            HOST, port, None, True, wait_for_workers=False, master_listen_fd=self._server.detach()
        )
        context = multiprocessing.get_context('fork')
        self._connections, self._processes = [], []
        for rank in range(SIZE):
            ours, theirs = context.Pipe()
            process = context.Process(target=_serve, args=(theirs, rank, port), daemon=True)
            process.start()
            theirs.close()
            self._connections.append(ours)
            self._processes.append(process)

    def __call__(self, function, *arguments):
        """Returns what a function of a test module returns in each."""
        for connection in self._connections:
            connection.send((function, arguments))
        answers = []
        for connection in self._connections:
            assert connection.poll(SECONDS_TO_ANSWER), 'a process hangs'
            answers.append(connection.recv())
        for error, trace, _ in answers:
            if error is not None:
                raise error from RuntimeError(trace)
        return [value for _, _, value in answers]

    def close(self):
        for process, connection in zip(self._processes, self._connections, strict=True):
            connection.close()
            process.kill()
            process.join()


def _serve(connection, rank, port):
    torch.set_num_threads(1)
    ranks = Ranks.joined(rank, SIZE, port, torch.device('cpu'))
    while True:
        try:
            function, arguments = connection.recv()
        except EOFError:
            return
        try:
            answer = None, '', function(ranks, *arguments)
        except Exception as error:
            answer = error, traceback.format_exc(), None
        connection.send(answer)


@pytest.fixture(scope='package')
def in_both():
    """Calls a function of a test module in two processes that are ranks of one run; returns both values."""
    pair = Pair()
    yield pair
    pair.close()
