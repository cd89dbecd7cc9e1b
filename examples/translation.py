"""Machine translation: a Transformer says numbers in another language, or learns your pairs."""

from pathlib import Path

import numpy as np

import kerata
from kerata.cli import demo, pictures, report
from kerata.cli.guard import BadInput
from kerata.cli.reading import pairs_of
from kerata.examples.subwords import Subwords, learn
from kerata.examples.translator import BATCH, Translator, until_end


def main(
    out, from_="en", to="fr", epochs=6, seed=0, pairs=9000, data: Path | None = None, say=print
):
    """Train a Transformer on pairs of sentences; write the model, its attention, and a report.

    Args:
        out: path of the folder for the results.
        from_: language to translate from, as num2words calls it (en, fr, de, es, ...).
        to: language to translate to.
        epochs: how often to go through the training pairs.
        seed: decides the initial weights and the order; not what is held out.
        pairs: how many numbers below 100,000 to take: the first 1,000, and others drawn.
        data: a text file with a sentence, a tab and its translation on each line, instead.
    """
    what = f"numbers from {from_} to {to}" if data is None else data.name
    page = report.Page(out, "Machine translation", f"A small Transformer: {what}.", say)
    sentences = numbers(from_, to, pairs) if data is None else read(data)
    order = np.random.default_rng(0).permutation(len(sentences))
    cut = max(1, len(sentences) // 20)
    test, watched, training = (
        [sentences[i] for i in part] for part in np.split(order, [2 * cut, 3 * cut])
    )
    split = f"{len(training):,} to learn from, {len(watched):,} to watch, {len(test):,} held out"
    say(f"Pairs: {split}")

    kerata.utils.set_random_seed(seed)
    vocabularies = [learn(side, 250 if data is None else 4000) for side in zip(*training)]
    model = Translator(*vocabularies, length=longest(training, vocabularies))
    schedule = kerata.optimizers.schedules.CosineDecay(
        0.0, epochs * -(-len(training) // BATCH), warmup_target=2e-3, warmup_steps=100
    )
    model.compile(
        kerata.optimizers.Adam(schedule),
        kerata.losses.SparseCategoricalCrossentropy(from_logits=True),
        weighted_metrics=["accuracy"],
    )
    shown = [source for source, _ in watched[:3]]
    x, y, weights = model.arrays(training)
    history = model.fit(
        x,
        y,
        sample_weight=weights,
        batch_size=BATCH,
        epochs=epochs,
        validation_data=model.arrays(watched),
        callbacks=[
            kerata.callbacks.LambdaCallback(
                on_epoch_end=lambda epoch, logs: [
                    say(f"    {source} -> {model.translate([source])[0]}") for source in shown
                ]
            )
        ],
    )

    sources, targets = zip(*test)
    translated = model.translate(sources)
    remembered = memory(training, sources)
    right = [a == b for a, b in zip(translated, targets)]
    scores = {
        "this model": float(np.mean(right)),
        "most similar known": float(np.mean([a == b for a, b in zip(remembered, targets)])),
    }
    page.accuracy(
        scores,
        len(test),
        "unseen sentences",
        "Right means: in each character. The baseline answers with the translation of the most "
        "similar sentence that it knows.",
    )
    page.training(
        history,
        {"loss": "Loss", "accuracy": "Next subword right %"},
        "Accuracy counts the next subword, given the true ones before it.",
    )
    page.picture(
        "Where it looks",
        "Each row is a subword that the model wrote, each column one that it read; the darker, the "
        "more it looked there (mean of the heads).",
        attention_maps(model, sorted(sources[:40], key=len)[-2:]),
        "attention",
    )
    page.table(
        "What it gets wrong, and right",
        "Mistakes first.",
        ["", "Sentence", "Translation", "Should be"],
        [
            ["right" if right[i] else "WRONG", sources[i], translated[i], targets[i]]
            for i in np.argsort(right, kind="stable")[:12]
        ],
    )
    model.save(out / "model.keras")
    page.reload(model, list(sources[:5]), "translate")
    page.write(
        {
            "Sentences": f"{len(sentences):,} pairs, none of them twice"
            + (": numbers from 0 to 99,999 as num2words says them" if data is None else ""),
            "Split": f"{split}; drawn at random",
        }
    )
    return scores


def numbers(source, target, count):
    """Return pairs of number words: all numbers below 1,000, the others drawn below 100,000."""
    try:
        from num2words import CONVERTER_CLASSES, num2words
    except ImportError:
        raise ImportError(
            "this needs num2words; install with: pip install 'kerata[demo]'"
        ) from None
    for language in (source, target):
        if language not in CONVERTER_CLASSES:
            known = ", ".join(sorted(CONVERTER_CLASSES))
            raise BadInput(f"num2words has no language {language!r}; it has {known}")
    drawn = np.random.default_rng(0).permutation(np.arange(1000, 100_000))
    chosen = [*range(1000), *drawn[: max(0, count - 1000)].tolist()]
    try:
        pairs = [tuple(num2words(n, lang=lang) for lang in (source, target)) for n in chosen]
    except Exception as error:
        raise BadInput(
            f"num2words cannot say all numbers from {source} to {target}: {error}"
        ) from None
    return list(dict.fromkeys(pairs))


def read(path):
    """Return the pairs of a file, without those whose first sentence was there before."""
    pairs = {}
    for source, target in pairs_of(path, "a sentence", "its translation"):
        pairs.setdefault(source, target)
    if len(pairs) < 40:
        raise BadInput(
            f"--data: {len(pairs)} different sentences in {path} are too few; 40 are the least"
        )
    return list(pairs.items())


def longest(pairs, vocabularies):
    """Return how many subwords the longest sentence has, start and end included."""
    sides = zip(zip(*pairs), map(Subwords, vocabularies))
    return 2 + max(len(words.encode(text)) for side, words in sides for text in side)


def memory(known, sentences):
    """Return the translations of those known sentences that have most in common with these."""
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.neighbors import NearestNeighbors

    vectorizer = TfidfVectorizer(analyzer="char_wb", ngram_range=(2, 4))
    neighbours = NearestNeighbors(n_neighbors=1).fit(
        vectorizer.fit_transform([a for a, _ in known])
    )
    nearest = neighbours.kneighbors(vectorizer.transform(sentences), return_distance=False)
    return [known[i][1] for i in nearest[:, 0]]


def attention_maps(model, sentences):
    """Draw where the last block of the decoder looked while it wrote."""
    rows = np.pad(model.numbers(model.read, sentences), ((0, BATCH - len(sentences)), (0, 0)))
    written, looks = (np.asarray(x) for x in model.write(rows))
    figure, panels = pictures.new(10, 5.2, 1, len(sentences), squeeze=False)
    for axes, row, target, look in zip(panels[0], rows, written, looks.mean(axis=1)):
        read = [model.read.vocabulary[n].strip() for n in until_end(row)] + ["(end)"]
        wrote = [model.written.vocabulary[n].strip() for n in until_end(target)] + ["(end)"]
        axes.imshow(look[: len(wrote), 1 : len(read) + 1], cmap="Blues", vmin=0, vmax=1)
        axes.set_xticks(range(len(read)), read, rotation=60, ha="right", rotation_mode="anchor")
        axes.set_yticks(range(len(wrote)), wrote)
        axes.set(xlabel="Read", ylabel="Written")
    return figure


if __name__ == "__main__":
    demo.script(main)
