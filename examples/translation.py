"""Machine translation: a Transformer says numbers in another language, or learns your pairs."""

import platform
import subprocess
import sys
import time
from pathlib import Path

import numpy as np

import kerata
from kerata.cli import demo, pictures, report
from kerata.cli.guard import BadInput, text_of
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
    started = time.perf_counter()
    sentences = numbers(from_, to, pairs) if data is None else read(data)
    order = np.random.default_rng(0).permutation(len(sentences))
    cut = max(1, len(sentences) // 20)
    test, watched, training = (
        [sentences[i] for i in part] for part in np.split(order, [2 * cut, 3 * cut])
    )
    say(f"{len(training):,} pairs to learn from, {len(watched):,} to watch, {len(test):,} to test")

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
    scores = {
        "this model": float(np.mean([a == b for a, b in zip(translated, targets)])),
        "the most similar known sentence": float(
            np.mean([a == b for a, b in zip(remembered, targets)])
        ),
    }
    say(f"\nExactly right, of {len(test):,} sentences never seen")
    for name, score in scores.items():
        say(f"  {name:<34} {score:7.2%}")
    model.save(out / "model.keras")
    same = translated_elsewhere(out / "model.keras", sources[:5]) == translated[:5]
    reloaded = "the same translations" if same else "OTHER translations"
    say(f"\nmodel.keras, loaded in a fresh process: {reloaded}")

    seconds = time.perf_counter() - started
    wrong = [i for i in range(len(test)) if translated[i] != targets[i]]
    right = [i for i in range(len(test)) if translated[i] == targets[i]]
    low, high = report.wilson_interval(scores["this model"], len(test))
    what = f"numbers from {from_} to {to}" if data is None else data.name
    page = report.Page(out, "Machine translation", f"A small Transformer: {what}.")
    page.headline(
        f"{scores['this model']:.1%}",
        f"of {len(test):,} sentences translated exactly, each character: "
        f"{report.counted(len(wrong), 'mistake')}. Training never saw them. From a test of this "
        f"size, the true share lies between {low:.1%} and {high:.1%} (95% interval).",
    )
    page.scores(
        "Beside a baseline",
        "A translation memory answers with the translation of the most similar sentence that it "
        "knows. It is exactly right only where that one means the same.",
        scores,
    )
    page.picture(
        "How training went",
        "Accuracy counts the next subword, given the true ones before it.",
        pictures.curves(history.history, {"loss": "Loss", "accuracy": "Next subword right %"}),
        "curves",
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
            ["right" if i in right else "WRONG", sources[i], translated[i], targets[i]]
            for i in (wrong[:8] + right)[:12]
        ],
    )
    options = f"--from {from_} --to {to} --pairs {pairs}" if data is None else f"--data {data}"
    page.facts(
        "How it was measured",
        {
            "Sentences": f"{len(sentences):,} pairs, none of them twice"
            + (": numbers from 0 to 99,999 as num2words says them" if data is None else ""),
            "Split": f"{len(training):,} to learn from, {len(watched):,} to watch, "
            f"{len(test):,} held out; drawn at random",
            "Model": f"{model.count_params():,} parameters, saved as model.keras; "
            f"{len(vocabularies[0]):,} and {len(vocabularies[1]):,} subwords",
            "Reload": f"a fresh process loaded the file and gave {reloaded}",
            "Again": f"kerata demo translation {options} --epochs {epochs} --seed {seed} "
            f"({seconds:.0f} s here)",
            "With": f"kerata {kerata.__version__}, Python {platform.python_version()}",
        },
    )
    say(f"\nSee {page.write()} ({seconds:.0f} seconds in all)")
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
    for number, line in enumerate(text_of(path).splitlines(), 1):
        cells = line.split("\t")
        if len(cells) < 2:
            raise BadInput(
                f"{path}, line {number}: a sentence, a tab and its translation are needed"
            )
        pairs.setdefault(cells[0].strip(), cells[1].strip())
    if len(pairs) < 40:
        raise BadInput(f"{path}: {len(pairs)} different sentences are too few; 40 are the least")
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


def translated_elsewhere(path, sentences):
    """Return what the saved model makes of sentences in a fresh Python process."""
    program = (
        "import sys, kerata, kerata.examples.translator\n"
        "model = kerata.models.load_model(sys.argv[1])\n"
        "sys.stdout.buffer.write('\\n'.join(model.translate(sys.argv[2:])).encode())"
    )
    command = [sys.executable, "-c", program, str(path), *sentences]
    done = subprocess.run(command, capture_output=True, check=True)
    return done.stdout.decode().split("\n")


if __name__ == "__main__":
    demo.script(main)
