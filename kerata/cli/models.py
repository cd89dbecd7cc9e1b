"""`kerata summary`, `kerata predict` and `kerata plot`: a model's file, looked into and used.

Heavy modules are imported where they are used, so that help and mistakes answer at once.
"""

import csv
import importlib
import shutil
import sys
from pathlib import Path

from kerata.cli.guard import BadInput, complain
from kerata.cli.reading import one_line, text_of

PICTURES = (".bmp", ".gif", ".jpeg", ".jpg", ".png")
COLOURS = {1: "grayscale", 3: "rgb", 4: "rgba"}
SHOWN = 3  # classes that are named in an answer


def add_commands(commands):
    """Add the three commands to the subparsers `commands`."""
    summary = _command(
        commands, "summary", show_summary, "list a model's layers and their sizes",
        example="model.keras",
    )  # fmt: skip
    summary.add_argument("--nested", action="store_true", help="list what is inside models, too")

    predict = _command(
        commands, "predict", show_predictions, "use a model on images, text or a table",
        "What INPUT is depends on the model. For one that takes images: image files. For text: "
        "the text itself in quotes, or .txt files. For tables: a .csv file, a row for each "
        "sample; if the model's inputs have names, the first line must name the columns. For any "
        "model with one input of numbers: a .npy file that NumPy saved.",
        example="model.keras photo.jpg --classes cat,dog",
    )  # fmt: skip
    predict.add_argument("inputs", nargs="+", metavar="INPUT", help="what to predict for")
    predict.add_argument(
        "--classes", metavar="NAMES",
        help="names of the classes in their order: cat,dog,... or a .txt file, one in a line",
    )  # fmt: skip
    predict.add_argument(
        "--divide", type=float, default=1.0, metavar="NUMBER",
        help="divide images by this; pixels are from 0 to 255, so give 255 for a model that was "
        "trained on values from 0 to 1 (default: 1)",
    )  # fmt: skip
    predict.add_argument(
        "--invert", action="store_true",
        help="turn images into their negatives: dark on light for a model that knows light on dark",
    )  # fmt: skip
    predict.add_argument(
        "--out", type=Path, metavar="FILE", help="write all numbers to this .npy or .csv file"
    )

    plot = _command(
        commands, "plot", draw, "draw a model's layers and what flows between them",
        "Needs pydot (pip install 'kerata[plots]') and the program Graphviz.",
        example="model.keras --out model.svg",
    )  # fmt: skip
    plot.add_argument(
        "--out", type=Path, metavar="FILE",
        help="picture to write: .png, .svg, .pdf, or .dot, which needs no Graphviz "
        "(default: the model's name and .png, in this folder)",
    )  # fmt: skip
    plot.add_argument("--nested", action="store_true", help="draw what is inside models, too")


def _command(commands, name, action, words, more="", example=""):
    description = f"{words[0].upper()}{words[1:]}. {more}"
    epilog = f"example: kerata {name} {example}"
    parser = commands.add_parser(name, help=words, description=description, epilog=epilog)
    parser.add_argument("file", metavar="FILE", help="a model: model.keras, or an older .h5 file")
    parser.add_argument(
        "--module", metavar="NAME",
        help="Python module to import first: the one that registers the model's own classes",
    )  # fmt: skip
    parser.set_defaults(action=action, parser=parser)
    return parser


def show_summary(options):
    """Run `kerata summary`; return the exit status."""
    _loaded(options).summary(expand_nested=options.nested)
    return 0


def draw(options):
    """Run `kerata plot`; return the exit status."""
    from kerata.utils import plot_model

    out = options.out or Path(Path(options.file).stem + ".png")
    if out.suffix not in (".png", ".svg", ".pdf", ".dot"):
        raise BadInput(f"--out must end in .png, .svg, .pdf or .dot, not {str(out)!r}")
    if out.suffix != ".dot" and shutil.which("dot") is None:
        return complain(
            "kerata plot: a picture needs Graphviz (https://graphviz.org/download), which is not "
            f"installed; without it: --out {out.with_suffix('.dot')}",
            1,
        )
    model = _loaded(options)
    with one_line():
        plot_model(
            model, out, show_shapes=True, show_layer_names=True, expand_nested=options.nested
        )
    print(f"See {out}")
    return 0


def show_predictions(options):
    """Run `kerata predict`; return the exit status."""
    import numpy as np

    if options.out and options.out.suffix not in (".npy", ".csv"):
        raise BadInput(f"--out must end in .npy or .csv, not {str(options.out)!r}")
    if options.out and not options.out.parent.is_dir():
        raise BadInput(f"--out: there is no folder {str(options.out.parent)!r}")
    if not options.divide > 0:
        raise BadInput(f"--divide must be greater than 0, not {options.divide:g}")
    classes = _class_names(options.classes)
    model = _loaded(options)
    names, batches = [], []
    with one_line():
        for label, batch in _samples(model, options):
            names += label
            batches.append(model.predict(batch, verbose=0))
    found = [_parts(batch) for batch in batches]
    if options.out and len(found[0]) > 1:
        raise BadInput(f"--out takes one output, and this model has {len(found[0])}")
    if options.out:
        _write(options.out, np.concatenate([parts[""] for parts in found]), classes)
    width = max(map(len, names))
    answers = [
        "; ".join(f"{part}{_answer(row, classes)}" for part, row in zip(parts, rows))
        for parts in found
        for rows in zip(*parts.values())
    ]
    for name, answer in zip(names, answers):
        print(f"{name:<{width}}  {answer}")
    return 0


def _parts(outputs):
    """Return a dict from a few words before each output to the output."""
    if isinstance(outputs, dict):
        return {f"{name}: ": output for name, output in outputs.items()}
    if isinstance(outputs, (list, tuple)):
        return {f"output {i}: ": output for i, output in enumerate(outputs, 1)}
    return {"": outputs}


def _loaded(options):
    """Return the model in the file."""
    from kerata.saving import load_model

    own = {}
    if options.module:
        sys.path.insert(0, "")
        own = vars(importlib.import_module(options.module.removesuffix(".py")))
    if Path(options.file).name.endswith(".weights.h5"):
        raise BadInput(f"{options.file} holds weights only; save the model: model.save(...)")
    with one_line():
        try:
            return load_model(options.file, _made_in(own), compile=False)
        except ValueError as error:
            said, asks, _ = str(error).partition("If it is yours,")
            if not asks:
                raise
            instead = f", which is not {options.module}" if own else ""
            raise ValueError(
                f"{said}{asks} give the module that it is in: --module NAME{instead}"
            ) from None


def _made_in(names):
    """Return what a module defines, of all the names in it."""
    return {
        name: value for name, value in names.items()
        if callable(value) and getattr(value, "__module__", None) == names["__name__"]
    }  # fmt: skip


def _samples(model, options):
    """Yield names of samples, and the batch of them that the model takes."""
    import numpy as np

    try:
        inputs = model.inputs
    except (AttributeError, ValueError):
        inputs = None
    if not inputs:
        raise BadInput(f"{options.file} does not say what it takes; use it from Python")
    takes = inputs[0]
    shape = tuple(takes.shape[1:])
    if len(inputs) == 1 and str(takes.dtype) == "string" and not isinstance(model.input, dict):
        texts = [_text(given) for given in options.inputs]
        shown = [text if len(text) <= 40 else text[:37] + "..." for text in texts]
        column = np.array(texts, object)
        yield [" ".join(text.split()) for text in shown], column.reshape(-1, *(1,) * len(shape))
        return
    for given in options.inputs:
        path = Path(given)
        if not path.is_file():
            raise BadInput(f"there is no file {given!r}")
        suffix = path.suffix.lower()
        if suffix == ".csv":
            rows, batch = _table(path, model, inputs)
            yield rows, batch
        elif len(inputs) > 1 or suffix not in (*PICTURES, ".npy"):
            raise BadInput(f"{given}: this model takes {_wanted(inputs)}")
        elif suffix == ".npy":
            try:
                array = np.load(path, allow_pickle=False)
            except ValueError as error:
                raise BadInput(f"{given} holds no array of numbers") from error
            array = array[None] if array.ndim == len(shape) else array
            _check_shape(given, array.shape[1:], shape)
            yield [f"{path.name} [{i}]" for i in range(len(array))], array
        else:
            pixels = _picture(given, shape)[None]
            pixels = 255 - pixels if options.invert else pixels
            yield [given], pixels / np.float32(options.divide)


def _wanted(inputs):
    """Say what files a model takes."""
    if len(inputs) > 1:
        return f"a .csv file with the columns {', '.join(x.name for x in inputs)}"
    shape = tuple(inputs[0].shape[1:])
    rows = " or .csv" if len(shape) <= 1 else ""
    images = "images or " if len(shape) in (2, 3) else ""
    return f"{images}.npy{rows} files, for samples of shape {shape}"


def _check_shape(given, found, shape):
    if len(found) != len(shape) or any(n is not None and m != n for m, n in zip(found, shape)):
        raise BadInput(f"{given}: the model takes samples of shape {shape}, not {tuple(found)}")


def _picture(given, shape):
    """Return an image file as the array that the model takes."""
    import numpy as np

    from kerata.utils import img_to_array, load_img

    channels = shape[2] if len(shape) == 3 else 1
    if len(shape) not in (2, 3) or channels not in COLOURS:
        raise BadInput(f"{given}: the model takes no images, but samples of shape {shape}")
    size = shape[:2] if None not in shape[:2] else None
    array = img_to_array(load_img(given, COLOURS[channels], size, "bilinear"))
    return np.asarray(array if len(shape) == 3 else array[..., 0], "float32")


def _text(given):
    path = Path(given)
    if path.suffix != ".txt":
        if path.exists():
            raise BadInput(f"{given} is not a .txt file: this model takes texts, or files of text")
        return given
    if not path.is_file():
        raise BadInput(f"there is no file {given!r}")
    return text_of(path, given)


def _table(path, model, inputs):
    """Return the names of a table's rows, and its columns as the model takes them."""
    import numpy as np

    from kerata.data.tables import csv_rows, other_delimiter

    try:
        lines, starts = csv_rows(path)
    except ValueError:
        raise BadInput(
            f"{path} must be a table as text in UTF-8, with every quotation mark closed"
        ) from None
    if not lines:
        raise BadInput(f"{path} is empty")
    if other := other_delimiter(lines[:2], ","):
        raise BadInput(f"{path}: there must be commas between the columns, not {other!r}")
    named = len(inputs) > 1 or isinstance(model.input, dict)
    header = [cell.strip() for cell in lines[0]]
    if named:
        missing = [x.name for x in inputs if x.name not in header]
        if missing:
            raise BadInput(f"{path} has no column {missing[0]!r}; its first line must name all of: "
                           + ", ".join(x.name for x in inputs))  # fmt: skip
    start = int(named or not all(map(_is_number, header)))
    rows, numbers = lines[start:], starts[start:]
    if not rows:
        raise BadInput(f"{path} has no rows")
    for number, row in zip(numbers, rows):
        if len(row) != len(header):
            raise BadInput(f"{path}, line {number}: {len(row)} cells, where the first line has "
                           f"{len(header)}")  # fmt: skip

    def column(place, dtype):
        cells = [row[place].strip() for row in rows]
        if dtype == "string":
            return np.array(cells, object)
        for number, cell in zip(numbers, cells):
            if not _is_number(cell):
                raise BadInput(f"{path}, line {number}: column {header[place]!r} must be a number, "
                               f"not {cell!r}")  # fmt: skip
        return np.array(cells, "float64").astype(dtype)

    names = [f"{path.name}, line {number}" for number in numbers]
    if named:
        columns = {x.name: column(header.index(x.name), str(x.dtype)) for x in inputs}
        columns = {x.name: columns[x.name].reshape(-1, *x.shape[1:]) for x in inputs}
        return names, columns if isinstance(model.input, dict) else list(columns.values())
    shape = tuple(inputs[0].shape[1:])
    table = np.stack([column(i, str(inputs[0].dtype)) for i in range(len(header))], axis=-1)
    _check_shape(path, table.shape[1:], shape)
    return names, table


def _is_number(cell):
    try:
        float(cell)
    except ValueError:
        return False
    return True


def _class_names(given):
    if given is None:
        return None
    if given.endswith(".txt"):
        return text_of(Path(given), "--classes").splitlines()
    return [name.strip() for name in given.split(",")]


def _answer(row, classes):
    """Say what a model returned for one sample: the likeliest classes, or numbers."""
    import numpy as np

    row = np.asarray(row)
    if row.ndim > 1:
        return f"numbers of shape {row.shape} (--out FILE writes them)"
    row = np.atleast_1d(row)
    sure = len(row) > 1 and row.min() >= 0 and abs(row.sum() - 1) < 1e-3
    if len(row) == 1 and classes and len(classes) == 2 and 0 <= row[0] <= 1:
        row, sure = np.array([1 - row[0], row[0]]), True
    if classes and sure and len(classes) < len(row):
        raise BadInput(f"--classes must name all {len(row)} classes, not {len(classes)}")
    if not sure:
        numbers = " ".join(f"{value:.6g}" for value in row[:10])
        return numbers + (f" ... ({len(row)} numbers)" if len(row) > 10 else "")
    best = np.argsort(-row, kind="stable")[:SHOWN]
    return ", ".join(f"{classes[i] if classes else f'class {i}'} {row[i]:.1%}" for i in best)


def _write(path, outputs, classes):
    """Write all outputs to a file: an array, or a table."""
    import numpy as np

    if path.suffix == ".npy":
        np.save(path, outputs)
        return
    table = outputs.reshape(len(outputs), -1)
    header = classes if classes and len(classes) == table.shape[1] else None
    with open(path, "w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows([*([header] if header else []), *table.tolist()])
