"""Text generation: a small GPT learns to write like Python's documentation, or any text file."""

import platform
import re
import subprocess
import sys
import time
from pathlib import Path

import numpy as np

import kerata
from kerata.cli import demo, pictures, report
from kerata.cli.guard import BadInput, text_of
from kerata.examples.gpt import GPT
from kerata.examples.subwords import Subwords, learn

LENGTH = 320  # how many subwords the model sees at once
VOCABULARY = 1000
BATCH = 4  # many small steps: the text is short, and there is little time


def main(
    out,
    epochs=4,
    seed=0,
    prompt="The if statement",
    temperature=0.8,
    top_k=50,
    top_p=0.95,
    data: Path | None = None,
    say=print,
):
    """Train a small GPT on a text; write the model, what it writes, its speed, and a report.

    Args:
        out: path of the folder for the results.
        epochs: how often to go through the text (each subword in 2 windows).
        seed: decides the initial weights, the order, and what is drawn.
        prompt: how the samples begin.
        temperature: below 1 for the likely, above for the unusual, 0 for the likeliest alone.
        top_k: how many of the likeliest subwords to draw from.
        top_p: draw from the likeliest that reach this probability together.
        data: a text file (UTF-8) to learn from instead of Python's documentation.
    """
    started = time.perf_counter()
    training, watched, test = parts(documentation() if data is None else text_of(data))
    subwords = Subwords(learn([training], VOCABULARY))
    tokens, watched_tokens, test_tokens = (
        np.array(subwords.encode(text), "int32") for text in (training, watched, test)
    )
    say(f"{len(tokens):,} subwords to learn from, {len(test_tokens):,} held out for the test")

    kerata.utils.set_random_seed(seed)
    model = GPT(subwords.vocabulary, LENGTH)
    (x, y), watch = windows(tokens, LENGTH // 2), windows(watched_tokens, LENGTH)
    schedule = kerata.optimizers.schedules.CosineDecay(
        0.0, epochs * -(-len(x) // BATCH), warmup_target=2e-3, warmup_steps=100
    )
    model.compile(
        kerata.optimizers.AdamW(schedule, weight_decay=0.05, global_clipnorm=1.0),
        kerata.losses.SparseCategoricalCrossentropy(from_logits=True),
    )
    writing = kerata.callbacks.LambdaCallback(
        on_epoch_end=lambda epoch, logs: say(f"    {model.write(prompt, 30, seed=epoch)!r}")
    )
    history = model.fit(
        x, y, batch_size=BATCH, epochs=epochs, validation_data=watch, callbacks=[writing]
    )

    x_test, y_test = windows(test_tokens, LENGTH)
    unigram, bigram = baselines(tokens, windows(watched_tokens, LENGTH), x_test, y_test)
    surprise = model.evaluate(x_test, y_test, verbose=0)
    scores = {
        "this model": float(np.exp(surprise)),
        "bigrams": bigram,
        "unigrams": unigram,
        "any subword alike": float(len(subwords.vocabulary)),
    }
    say(f"\nPerplexity of the {y_test.size:,} held-out subwords")
    for name, score in scores.items():
        say(f"  {name:<20} {score:8.1f}")
    speed = {
        "compiled loop, with cache": pace(model, with_cache=True),
        "one step at a time": pace(model, with_cache=False),
    }
    faster = speed["compiled loop, with cache"] / speed["one step at a time"]
    say("\nSubwords per second, one text at a time")
    for name, number in speed.items():
        say(f"  {name:<26} {number:8,.0f}")

    model.save(out / "model.keras")
    how = {"temperature": temperature, "top_k": top_k, "top_p": top_p}
    first = model.write(prompt, 120, seed=seed, **how)
    same = first == written_elsewhere(out / "model.keras", prompt, seed, how)
    reloaded = "the same text from the same seed" if same else "ANOTHER text from the same seed"
    say(f"\n{first}\n\nmodel.keras, loaded in a fresh process: {reloaded}")

    seconds = time.perf_counter() - started
    what = "Python's documentation" if data is None else data.name
    page = report.Page(out, "Text generation", f"A small GPT that has read {what}.")
    page.headline(
        f"{scores['this model']:.1f}",
        f"is the perplexity of text that it never saw: at each subword the model is as unsure as "
        f"if it chose among {scores['this model']:.0f} alike. Knowing the subword before "
        f"(bigrams) leaves {bigram:.0f}, knowing only how frequent each is {unigram:.0f}.",
    )
    page.scores(
        "Perplexity beside baselines (lower is better)",
        "Unigrams and bigrams are counted in the same training text; bigrams fall back on unigrams "
        "as far as was best for the validation text.",
        dict(list(scores.items())[:3]),
        form="{:.1f}",
    )
    page.picture(
        "How training went",
        "The loss is the logarithm of the perplexity.",
        pictures.curves(history.history, {"loss": "Loss per subword"}),
        "curves",
        narrow=True,
    )
    page.text(
        "What it writes",
        f"Each goes on from {prompt!r}. First as asked for (temperature {temperature:g}, top-k "
        f"{top_k}, top-p {top_p:g}); then always the likeliest subword, which soon goes in "
        "circles; then at temperature 1.3 without a limit to the probability, which is wild.",
        [
            first,
            model.write(prompt, 120, temperature=0),
            model.write(prompt, 120, 1.3, top_k, top_p=1.0, seed=seed),
        ],
    )
    page.table(
        "Next to what people wrote",
        "Beginnings from the held-out text, their true continuation, and the model's likeliest.",
        ["Beginning", "True", "Model"],
        continuations(model, x_test[:: max(1, len(x_test) // 6)][:6]),
    )
    page.scores(
        f"{faster:.0f} times faster",
        "Subwords written per second. The compiled loop keeps the keys and values of earlier "
        f"subwords; the other runs the compiled model on all {LENGTH} places for each new one.",
        speed,
        form="{:,.0f}",
    )
    page.facts(
        "How it was measured",
        {
            "Text": f"{what}: {len(training) + len(watched) + len(test):,} characters, repeated "
            "paragraphs taken once",
            "Split": f"in the order of the text: 80% to learn from, then 10% to watch "
            f"({len(watched_tokens):,} subwords), the last 10% for the test ({y_test.size:,}), "
            f"in windows of {LENGTH} that begin without context",
            "Subwords": f"{len(subwords.vocabulary):,}, learned from the training text; "
            f"{len(test) / len(test_tokens):.1f} characters each",
            "Model": f"{model.count_params():,} parameters, saved as model.keras",
            "Reload": f"a fresh process wrote {reloaded}",
            "Again": f"kerata demo text_generation --epochs {epochs} --seed {seed}"
            f"{'' if data is None else f' --data {data}'} ({seconds:.0f} s here)",
            "With": f"kerata {kerata.__version__}, Python {platform.python_version()}",
        },
    )
    say(f"\nSee {page.write()} ({seconds:.0f} seconds in all)")
    return {**scores, "times faster": faster}


def documentation():
    """Return the texts about Python's language that `help()` shows, in no order."""
    from pydoc_data.topics import topics

    names = np.random.default_rng(0).permutation(sorted(topics))
    text = "\n\n".join(topics[name] for name in names)
    return re.sub(r"([^\w\s])\1{3,}", r"\1\1\1", text)  # shorter lines under titles


def parts(text):
    """Return the first 80%, the next 10% and the last 10% of a text."""
    # What is repeated would be in the test as well as in what was learned.
    paragraphs = list(dict.fromkeys(text.split("\n\n")))
    ends = np.cumsum([len(paragraph) for paragraph in paragraphs])
    cuts = [0, *np.searchsorted(ends, [0.8 * ends[-1], 0.9 * ends[-1]]), len(paragraphs)]
    found = ["\n\n".join(paragraphs[a:b]) for a, b in zip(cuts, cuts[1:])]
    if min(map(len, found)) < 20 * LENGTH:
        raise BadInput(
            f"the text is too short: {ends[-1]:,} characters in paragraphs that differ, and "
            f"{200 * LENGTH:,} are needed (paragraphs are separated by an empty line)"
        )
    return found


def windows(tokens, step):
    """Return stretches of `LENGTH` tokens, `step` apart, and the same moved by one."""
    views = np.lib.stride_tricks.sliding_window_view(tokens, LENGTH + 1)[::step]
    return views[:, :-1], views[:, 1:]


def baselines(tokens, watched, x, y):
    """Return the perplexity of `y` by how frequent each token is, and by the token before."""
    counts = np.zeros((VOCABULARY, VOCABULARY))
    np.add.at(counts, (tokens[:-1], tokens[1:]), 1)
    share = (np.bincount(tokens, minlength=VOCABULARY) + 1) / (len(tokens) + VOCABULARY)

    def by_bigrams(weight, x, y):
        # `weight` imagined observations are spread over the tokens as they are frequent.
        seen = counts[x, y] + weight * share[y]
        return float(np.exp(-np.log(seen / (counts.sum(1)[x] + weight)).mean()))

    weight = min((1, 3, 10, 30, 100, 300), key=lambda weight: by_bigrams(weight, *watched))
    return float(np.exp(-np.log(share[y]).mean())), by_bigrams(weight, x, y)


def pace(model, with_cache):
    """Return how many subwords are written per second, the compilation aside."""
    given, tokens = model.subwords.vocabulary[-1], model.length - 1
    model.write(given, 2, with_cache=with_cache)
    started = time.perf_counter()
    model.write(given, tokens, with_cache=with_cache)
    return tokens / (time.perf_counter() - started)


def continuations(model, rows):
    """Return rows of a beginning, how it goes on, and how the model would go on."""
    table = []
    for row in rows:
        begin, true = model.subwords.decode(row[:60]), model.subwords.decode(row[60:80])
        more = model.write(begin, 20, temperature=0).removeprefix(begin)
        table.append(["..." + begin[-120:], true, more])
    return table


def written_elsewhere(path, prompt, seed, how):
    """Return what the saved model writes in a fresh Python process."""
    program = (
        "import sys, kerata, kerata.examples.gpt\n"
        "model = kerata.models.load_model(sys.argv[1])\n"
        f"text = model.write(sys.argv[2], 120, seed={seed}, **{how})\n"
        "sys.stdout.buffer.write(text.encode())"
    )
    command = [sys.executable, "-c", program, str(path), prompt]
    return subprocess.run(command, capture_output=True, check=True).stdout.decode()


if __name__ == "__main__":
    demo.script(main)
