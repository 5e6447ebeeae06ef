"""Does the queue slow down under load? A million trials over 100,000 points, on 64 cores.

    python benchmarks/task_queue.py

Prints the time per event of the last tenth of the tasks in proportion to that of the first tenth, and
the share of one core that the queue would take if each of the 64 trained for a second per trial.
"""

import time
from collections import deque

from sweeper import ParamsTaskQueue

POINTS, TRIALS, CORES, SWEEP_CORES = 100_000, 10, 64, 4


def main():
    queue = ParamsTaskQueue(CORES, SWEEP_CORES)
    start = time.perf_counter()
    for point in range(POINTS):
        queue.add_task_by_params((point,), TRIALS)
    print(f'{POINTS} points asked for: {(time.perf_counter() - start) / POINTS * 1e6:.1f} µs each')

    running, marks, trials = deque(), [time.perf_counter()], 0
    while queue.have_more_tasks():
        while (task := queue.get_next_task(queue.available_cores)) is not None:
            running.append(task)
        task = running.popleft()
        queue.task_done(task)
        trials += len(task.trials)
        marks.append(time.perf_counter())
    tasks = len(marks) - 1
    tenth = tasks // 10
    first, last = marks[tenth] - marks[0], marks[-1] - marks[-1 - tenth]
    total = marks[-1] - marks[0]
    print(f'{trials} trials in {tasks} tasks: {total / tasks * 1e6:.1f} µs per task')
    print(f'last tenth / first tenth: {last / first:.2f}')
    print(f'share of one core, at a second per trial: {total / trials * CORES:.4%}')


if __name__ == '__main__':
    main()
