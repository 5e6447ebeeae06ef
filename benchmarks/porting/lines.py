"""Counts the lines of code that a fair comparison takes, for docs/porting.md; prints its table.

    python benchmarks/porting/lines.py

A line counts if it has code, not for blank lines, comments and docstrings, nor for what other problems need.
"""

import ast
import io
import tokenize
from pathlib import Path

HERE = Path(__file__).parent
EXAMPLES = HERE.parents[1] / 'examples'
PROBLEMS = ('digits_cnn', 'tumours_table', 'digits_vae')
_NO_CODE = (
    tokenize.COMMENT, tokenize.NL, tokenize.NEWLINE, tokenize.INDENT, tokenize.DEDENT, tokenize.ENCODING,
    tokenize.ENDMARKER,
)  # fmt: skip


def lines_of(path, is_counted=lambda _: True):
    """Returns how many lines have code, of those statements at the top of a file that count."""
    source = path.read_text()
    tree = ast.parse(source)
    skipped = set()
    for node in ast.walk(tree):
        is_text = isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
        if is_text and isinstance(node.value.value, str):
            skipped.update(range(node.lineno, node.end_lineno + 1))
    for node in tree.body:
        if not is_counted(node):
            skipped.update(range(node.lineno, node.end_lineno + 1))
    tokens = tokenize.generate_tokens(io.StringIO(source).readline)
    with_code = {line for t in tokens if t.type not in _NO_CODE for line in range(t.start[0], t.end[0] + 1)}
    return len(with_code - skipped)


def is_of_sweep(node):
    """Whether a statement of an example is there for the sweep: what to compare, and the call."""
    if isinstance(node, ast.ImportFrom):
        return node.module == 'sweeper'
    if isinstance(node, ast.Import):
        return node.names[0].name in ('sys', 'itertools')
    named = isinstance(node, ast.FunctionDef) and node.name == 'selector'
    objective = isinstance(node, ast.Assign) and node.targets[0].id in ('metrics', 'accuracy_style')
    return named or objective or isinstance(node, ast.If)


def counts(problem):
    """Returns the lines of a problem, and those that each tool needs beside them."""
    example = EXAMPLES / f'{problem}.py'
    others = {*PROBLEMS} - {problem}
    loop = lines_of(HERE / 'loops.py', lambda node: getattr(node, 'name', '') not in others)
    return {
        'problem': lines_of(example, lambda node: not is_of_sweep(node)),
        'sweeper': lines_of(example, is_of_sweep),
        'Optuna': loop + lines_of(HERE / 'with_optuna.py'),
        'Ray Tune': loop + lines_of(HERE / 'with_ray.py'),
    }


def table():
    """Returns the counts as a table of Markdown."""
    rows = {problem: counts(problem) for problem in PROBLEMS}
    heads = [*next(iter(rows.values()))]
    lines = [f'| | {" | ".join(heads)} |', f'|{"---|" * (len(heads) + 1)}']
    lines += [f'| `{name}` | {" | ".join(str(row[head]) for head in heads)} |' for name, row in rows.items()]
    return '\n'.join(lines)


if __name__ == '__main__':
    print(table())
