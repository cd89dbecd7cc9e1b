"""Text classification: which library does a description belong to? Three models read raw text."""

from pathlib import Path

import numpy as np

import kerata
from kerata import layers, ops
from kerata.cli import demo, report
from kerata.cli.guard import BadInput
from kerata.cli.reading import pairs_of
from kerata.examples.docstrings import WORDS, docstrings, libraries


def main(out, epochs=8, seed=0, most=2000, data: Path | None = None, say=print):
    """Train three models on texts of several classes; write the best one, and a report.

    Args:
        out: path of the folder for the results.
        epochs: how often to go through the training texts at most.
        seed: decides the initial weights and the order; not what is held out.
        most: how many texts of a class to take at most.
        data: a text file with a class, a tab and a text on each line, instead of the docstrings.
    """
    page = report.Page(
        out, "Text classification", "Raw text in, a class out: three models compared.", say
    )
    if data is None:
        rows = docstrings(libraries(), most)
    else:
        rows = [(name, text, text) for name, text in pairs_of(data, "a class", "a text")]
    names, (x, y), watched, (x_test, y_test) = parts(rows, most)
    split = f"{len(x):,} to learn from, {len(watched[0]):,} to watch, {len(x_test):,} held out"
    say(f"Texts of {len(names)} classes: {split}")

    scores, histories, told, models = {}, {}, {}, {}
    for build in (bigrams, recurrent, transformer):
        kerata.utils.set_random_seed(seed)
        model = build(x, len(names))
        say(f"\n{model.name}, {model.count_params():,} parameters")
        model.compile(
            kerata.optimizers.Adam(1e-3), "sparse_categorical_crossentropy", metrics=["accuracy"]
        )
        history = model.fit(
            x,
            y,
            batch_size=32,
            epochs=epochs,
            validation_data=watched,
            callbacks=[kerata.callbacks.EarlyStopping(patience=1, restore_best_weights=True)],
        )
        models[model.name], histories[model.name] = model, history
        told[model.name] = model.evaluate(*watched, verbose=0, return_dict=True)["accuracy"]
        scores[model.name] = model.evaluate(x_test, y_test, verbose=0, return_dict=True)["accuracy"]

    # What is watched decides which one is kept: the test is not for choosing.
    best = max(told, key=told.get)
    scores = {
        best: scores[best],
        **scores,
        "logistic regression": logistic_regression(x, y, x_test, y_test),
        "most frequent class": float(np.mean(y_test == np.bincount(y).argmax())),
    }
    page.accuracy(
        scores,
        len(y_test),
        "test texts",
        f"The model that was best on the validation texts ({best}, {told[best]:.1%}) is saved, and "
        "shown below. Logistic regression sees words and pairs of words, as bigrams does.",
    )
    page.training(
        histories[best],
        {"loss": "Loss", "accuracy": "Classified right %"},
        f"Of {best}. Dropout makes the training texts harder than the validation texts.",
    )
    model = models[best]
    page.mistakes(x_test, y_test, model.predict(x_test, verbose=0), names)
    model.save(out / "model.keras")
    (out / "classes.txt").write_text("\n".join(names), encoding="utf-8")
    page.reload(model, x_test)
    page.write(
        {
            "Texts": str(data or "docstrings of 6 libraries, whose names are blanked out"),
            "Split": split + ("" if data else "; texts of one source file stay together"),
            "Use": f"kerata predict {out}/model.keras 'a text' --classes {out}/classes.txt",
        }
    )
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
            f"--data: too little text to split: {len(taken)} different texts, "
            f"{report.counted(len(names), 'class', 'classes')}"
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
