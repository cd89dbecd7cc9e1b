"""Count the lines of each room of the house: all of them, and those that are code.

Code is what is left without blank lines, comments and docstrings. A statement over three lines
counts as three.
"""

import ast
import io
import sys
import tokenize
from collections import Counter
from pathlib import Path

COLUMNS = ("files", "lines", "code", "docstrings", "comments", "blank", "longest")
WHITESPACE = (tokenize.NL, tokenize.NEWLINE, tokenize.INDENT, tokenize.DEDENT, tokenize.ENDMARKER)


def docstring_lines(tree: ast.AST) -> set[int]:
    """Return the numbers of the lines that docstrings stand on."""
    owners = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
    lines: set[int] = set()
    for node in ast.walk(tree):
        if isinstance(node, owners) and ast.get_docstring(node, clean=False) is not None:
            first = node.body[0]
            lines.update(range(first.lineno, (first.end_lineno or first.lineno) + 1))
    return lines


def count(source: str) -> Counter:
    """Count one file's lines by kind."""
    lines = len(source.splitlines())
    docstrings = docstring_lines(ast.parse(source))
    code: set[int] = set()
    comments: set[int] = set()
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type == tokenize.COMMENT:
            comments.add(token.start[0])
        elif token.type not in WHITESPACE:
            code.update(range(token.start[0], token.end[0] + 1))
    code -= docstrings
    comments -= code | docstrings
    return Counter(
        files=1,
        lines=lines,
        code=len(code),
        docstrings=len(docstrings),
        comments=len(comments),
        blank=lines - len(code) - len(docstrings) - len(comments),
    )


def rooms(root: Path) -> dict[str, list[Path]]:
    """Return the Python files under each room: kerata's folders and modules, then the rest."""
    found: dict[str, list[Path]] = {}
    package = root / "kerata"
    for path in sorted(package.rglob("*.py")):
        found.setdefault(f"kerata/{path.relative_to(package).parts[0]}", []).append(path)
    for other in ("tests", "benchmarks", "examples", "tools"):
        if files := sorted((root / other).rglob("*.py")):
            found[other] = files
    return found


def table(root: Path) -> list[tuple[str, Counter]]:
    """Return (room, counts) rows, with a row for all of kerata."""
    rows: list[tuple[str, Counter]] = []
    whole: Counter = Counter()
    others: list[tuple[str, Counter]] = []
    for room, files in rooms(root).items():
        counts = [count(path.read_text(encoding="utf-8")) for path in files]
        total = sum(counts, Counter())
        total["longest"] = max(each["lines"] for each in counts)
        if room.startswith("kerata/"):
            rows.append((room, total))
            longest = max(whole["longest"], total["longest"])
            whole += total
            whole["longest"] = longest
        else:
            others.append((room, total))
    return [*rows, ("kerata, all", whole), *others]


def main() -> int:
    """Print the table."""
    rows = table(Path(__file__).resolve().parent.parent)
    width = max(len(room) for room, _ in rows)
    print(" " * width + "".join(f"{name:>12}" for name in COLUMNS))
    for room, counts in rows:
        print(f"{room:<{width}}" + "".join(f"{counts[name]:>12,}" for name in COLUMNS))
    return 0


if __name__ == "__main__":
    sys.exit(main())
