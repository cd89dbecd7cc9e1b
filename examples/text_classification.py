"""Text classification: which library does a description belong to? Three models read raw text."""

import ast
import platform
import re
import sysconfig
import time
from importlib.util import find_spec
from pathlib import Path

import numpy as np

import kerata
from kerata import layers, ops
from kerata.cli import demo, pictures, reloading, report
from kerata.cli.guard import BadInput, text_of

WORDS = 60  # how many of each text the models that read in order see
NAMES = re.compile(
    r"\b(jax|jnp|matplotlib|pyplot|plt|numpy|np|python|scikit|sklearn|scipy)\w*", re.I
)


def main(out, epochs=8, seed=0, most=2000, data: Path | None = None, say=print):
    """Train three models on texts of several classes; write the best one, and a report.

    Args:
        out: path of the folder for the results.
        epochs: how often to go through the training texts.
        seed: decides the initial weights and the order; not what is held out.
        most: how many texts of a class to take at most.
        data: a text file with a class, a tab and a text on each line, instead of the docstrings.
    """
    started = time.perf_counter()
    rows = docstrings(libraries(), most) if data is None else read(data)
    names, (x, y), (x_watched, y_watched), (x_test, y_test) = parts(rows, most)
    say(f"{len(x):,} texts of {len(names)} classes to learn from, {len(x_test):,} held out")

    scores, table, models = {}, [], {}
    for name, build in {
        "bag of bigrams": bigrams,
        "bidirectional LSTM": recurrent,
        "Transformer encoder": transformer,
    }.items():
        say(f"\n{name}")
        kerata.utils.set_random_seed(seed)
        model = build(x, len(names))
        model.compile(
            kerata.optimizers.Adam(1e-3), "sparse_categorical_crossentropy", metrics=["accuracy"]
        )
        before = time.perf_counter()
        history = model.fit(
            x,
            y,
            batch_size=32,
            epochs=epochs,
            validation_data=(x_watched, y_watched),
            callbacks=[kerata.callbacks.EarlyStopping(patience=1, restore_best_weights=True)],
        )
        seconds = time.perf_counter() - before
        probabilities = model.predict(x_test, verbose=0)
        scores[name] = float(np.mean(probabilities.argmax(axis=1) == y_test))
        watched = model.evaluate(x_watched, y_watched, verbose=0, return_dict=True)["accuracy"]
        models[name] = watched, model, history.history, probabilities
        table.append(
            [
                name,
                f"{scores[name]:.1%}",
                f"{watched:.1%}",
                model.count_params(),
                f"{seconds:.0f} s",
            ]
        )
    # What is watched decides which one is kept: the test is not for choosing.
    best = max(models, key=lambda name: models[name][0])
    _, model, history, probabilities = models[best]
    predicted = probabilities.argmax(axis=1)
    scores = {
        best: scores.pop(best),
        **scores,
        "logistic regression": logistic_regression(x, y, x_test, y_test),
        "most frequent class": float(np.mean(y_test == np.bincount(y).argmax())),
    }
    say(f"\nAccuracy on the {len(y_test):,} test texts")
    for name, score in scores.items():
        say(f"  {name:<20} {score:7.2%}")

    model.save(out / "model.keras")
    elsewhere = reloading.predictions_elsewhere(out / "model.keras", x_test.tolist())
    reloaded = reloading.sameness(probabilities, elsewhere)
    say(f"\nmodel.keras, loaded in a fresh process, given raw text: {reloaded}")

    seconds = time.perf_counter() - started
    wrong = int(np.sum(predicted != y_test))
    low, high = report.wilson_interval(scores[best], len(y_test))
    page = report.Page(
        out, "Text classification", "Raw text in, a class out: three models compared."
    )
    page.headline(
        f"{scores[best]:.1%}",
        f"of {len(y_test):,} test texts classified right by the {best}, "
        f"{report.counted(wrong, 'mistake')}. From a test of this size, the true accuracy lies "
        f"between {low:.1%} and {high:.1%} (95% interval).",
    )
    page.table(
        "Three models",
        "The one that was best on the validation texts is saved, and shown below.",
        ["", "Test accuracy", "Validation accuracy", "Parameters", "Training"],
        table,
    )
    page.scores(
        "Beside two baselines",
        "On the same test texts. Logistic regression sees how often each word and pair of words "
        "occurs (TF-IDF); the last answers with the class that is most frequent in training.",
        scores,
    )
    page.picture(
        f"How training of the {best} went",
        "Dropout makes the training texts harder than the validation texts.",
        pictures.curves(history, {"loss": "Loss", "accuracy": "Classified right %"}),
        "curves",
    )
    page.picture(
        "What was taken for what",
        "Each row is a true class. Blue counts are right answers, orange ones mistakes.",
        pictures.confusion(y_test, predicted, names, "texts"),
        "confusion",
        narrow=True,
    )
    given = probabilities[np.arange(len(y_test)), y_test]
    order = np.lexsort((given, predicted == y_test))
    page.table(
        "The worst mistakes, and the surest right answers",
        "With the probability that the model gave to its answer.",
        ["Text", "Is", "Taken for", ""],
        [
            [
                x_test[i] if len(x_test[i]) < 200 else x_test[i][:200] + " ...",
                names[y_test[i]],
                names[predicted[i]],
                f"{probabilities[i].max():.0%}",
            ]
            for i in [*order[: min(6, wrong)], *order[-3:]]
        ],
    )
    what = "descriptions in the docstrings of 6 libraries, whose names are blanked out"
    page.facts(
        "How it was measured",
        {
            "Texts": f"{len(x) + len(x_watched) + len(x_test):,}: "
            + (what if data is None else data.name),
            "Split": f"{len(x):,} to learn from, {len(x_watched):,} to watch, {len(x_test):,} held "
            "out" + ("; all texts of a source file lie in the same part" if data is None else ""),
            "Model": f"model.keras takes raw strings: its vocabulary is inside. "
            f"Classes: {', '.join(names)}",
            "Reload": f"a fresh process loaded the file and read raw text: {reloaded}",
            "Again": f"kerata demo text_classification --epochs {epochs} --seed {seed} "
            f"--most {most}{'' if data is None else f' --data {data}'} ({seconds:.0f} s here)",
            "With": f"kerata {kerata.__version__}, Python {platform.python_version()}",
        },
    )
    say(f"\nSee {page.write()} ({seconds:.0f} seconds in all)")
    return scores


def bigrams(texts, classes):
    """Return a model that sees which words and pairs of words are there, not where."""
    words = layers.TextVectorization(max_tokens=20_000, ngrams=2, output_mode="multi_hot")
    words.adapt(texts)
    return kerata.Sequential(
        [
            kerata.Input((), dtype="string"),
            words,
            layers.Dense(32, activation="relu"),
            layers.Dropout(0.5),
            layers.Dense(classes, activation="softmax"),
        ],
        name="bigrams",
    )


def recurrent(texts, classes):
    """Return a model that reads the words one by one, from both ends."""
    words = layers.TextVectorization(max_tokens=10_000, output_sequence_length=WORDS)
    words.adapt(texts)
    return kerata.Sequential(
        [
            kerata.Input((), dtype="string"),
            words,
            layers.Embedding(words.vocabulary_size(), 64, mask_zero=True),
            layers.Dropout(0.3),
            layers.Bidirectional(layers.LSTM(32)),
            layers.Dropout(0.5),
            layers.Dense(classes, activation="softmax"),
        ],
        name="recurrent",
    )


def transformer(texts, classes, width=64):
    """Return a model in which each word looks at all others."""
    words = layers.TextVectorization(max_tokens=10_000, output_sequence_length=WORDS)
    words.adapt(texts)
    text = kerata.Input((), dtype="string")
    numbers = words(text)
    places = ops.cumsum(ops.ones_like(numbers), axis=1) - 1
    meaning = layers.Embedding(words.vocabulary_size(), width, mask_zero=True)(numbers)
    x = layers.Dropout(0.3)(layers.Add()([meaning, layers.Embedding(WORDS, width)(places)]))
    seen = layers.MultiHeadAttention(2, width // 2, dropout=0.1)(x, x)
    x = layers.LayerNormalization()(layers.Add()([x, seen]))
    wide = layers.Dense(2 * width, activation="relu")(x)
    x = layers.LayerNormalization()(layers.Add()([x, layers.Dense(width)(wide)]))
    x = layers.Dropout(0.5)(layers.GlobalAveragePooling1D()(x))
    return kerata.Model(text, layers.Dense(classes, activation="softmax")(x), name="transformer")


def libraries():
    """Return the folder of each library's source."""
    modules = ("jax", "matplotlib", "numpy", "sklearn", "scipy")
    names = ("JAX", "Matplotlib", "NumPy", "scikit-learn", "SciPy")
    folders = {name: Path(find_spec(module).origin).parent for name, module in zip(names, modules)}
    return {**folders, "Python": Path(sysconfig.get_path("stdlib"))}


def docstrings(folders, most):
    """Return rows of class, text and source: how docstrings in folders of Python files begin."""
    rows = []
    for name, root in folders.items():
        found = {}
        paths = sorted(str(path.relative_to(root)) for path in root.rglob("*.py"))
        for path in np.random.default_rng(0).permutation(paths):
            if len(found) >= most or re.search("test|vendor|site-packages", path):
                continue
            try:
                tree = ast.parse((root / path).read_text(encoding="utf-8"))
            except (SyntaxError, ValueError):
                continue  # the standard library has files that are wrong on purpose
            for node in ast.walk(tree):
                if isinstance(node, (ast.FunctionDef, ast.ClassDef)):
                    words = (ast.get_docstring(node) or "").split()[:WORDS]
                    if len(words) >= 8:
                        text = NAMES.sub("_", " ".join(words))
                        found.setdefault(text, (name, text, f"{name}/{path}"))
        rows += found.values()
    return rows


def read(path):
    """Return rows of class, text and source, here the text itself, of a file."""
    rows = []
    for number, line in enumerate(text_of(path).splitlines(), 1):
        name, tab, text = line.partition("\t")
        if not (name.strip() and tab and text.strip()):
            raise BadInput(f"{path}, line {number}: a class, a tab and a text are needed")
        rows.append((name.strip(), text.strip(), text.strip()))
    return rows


def parts(rows, most):
    """Return the names of the classes, and texts and labels to learn from, to watch and to test.

    Texts of one source are in one part. What is repeated is taken once.
    """
    random = np.random.default_rng(0)
    names = sorted({name for name, _, _ in rows})
    sources = random.permutation(sorted({source for _, _, source in rows}))
    share = dict(zip(sources.tolist(), np.linspace(0, 1, len(sources), endpoint=False)))
    found = [([], []), ([], []), ([], [])]
    taken, left = set(), dict.fromkeys(names, most)
    for i in random.permutation(len(rows)):
        name, text, source = rows[i]
        if text not in taken and left[name]:
            taken.add(text)
            left[name] -= 1
            texts, labels = found[0 if share[source] < 0.7 else 1 if share[source] < 0.8 else 2]
            texts.append(text)
            labels.append(names.index(name))
    if len(names) < 2 or not all(texts for texts, _ in found):
        raise BadInput(
            f"too little text to split: {len(taken)} different texts of {len(names)} classes"
        )
    return names, *((np.array(texts, object), np.array(labels)) for texts, labels in found)


def logistic_regression(x, y, x_test, y_test):
    """Return the test accuracy of a linear classifier of words and pairs of words."""
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline

    classifier = make_pipeline(
        TfidfVectorizer(ngram_range=(1, 2), max_features=20_000, sublinear_tf=True),
        LogisticRegression(C=10, max_iter=300),
    )
    return float(classifier.fit(x, y).score(x_test, y_test))


if __name__ == "__main__":
    demo.script(main)
