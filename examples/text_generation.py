"""Text generation: a small GPT learns to write like Python's documentation, or any text file."""

import time
from pathlib import Path

import numpy as np

import kerata
from kerata.cli import demo, report
from kerata.cli.guard import BadInput
from kerata.cli.reading import text_of
from kerata.examples.docstrings import documentation
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
    what = "Python's documentation" if data is None else data.name
    page = report.Page(out, "Text generation", f"A small GPT that has read {what}.", say)
    training, watched, test = parts(documentation() if data is None else text_of(data))
    subwords = Subwords(learn([training], VOCABULARY))
    tokens, watched_tokens, test_tokens = (
        np.array(subwords.encode(text), "int32") for text in (training, watched, test)
    )
    split = (
        f"{len(tokens):,} subwords to learn from, {len(watched_tokens):,} to watch, "
        f"{len(test_tokens):,} held out, in the order of the text"
    )
    say(split)

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
    unigram, bigram = baselines(tokens, watch, x_test, y_test)
    scores = {
        "this model": float(np.exp(model.evaluate(x_test, y_test, verbose=0))),
        "bigrams": bigram,
        "unigrams": unigram,
    }
    page.headline(
        f"{scores['this model']:.1f}",
        "is the perplexity of text that it never saw: at each subword the model is as unsure as if "
        f"it chose among {scores['this model']:.0f} alike. Knowing the subword before (bigrams) "
        f"leaves {bigram:.0f}, knowing only how frequent each is {unigram:.0f}.",
    )
    page.scores(
        f"Perplexity of {y_test.size:,} held-out subwords (less is better)",
        "Unigrams and bigrams are counted in the same training text; bigrams fall back on unigrams "
        "as far as was best for the validation text.",
        scores,
        form="{:.1f}",
    )
    page.training(
        history, {"loss": "Loss per subword"}, "The loss is the logarithm of the perplexity."
    )
    how = {"temperature": temperature, "top_k": top_k, "top_p": top_p, "seed": seed}
    texts = [model.write(prompt, 120, **how), model.write(prompt, 120, temperature=0)]
    say(f"\n{texts[0]}")
    page.text(
        "What it writes",
        f"After {prompt!r}; first as asked for, then always the likeliest, which soon goes in "
        "circles.",
        texts,
    )
    page.table(
        "Next to what people wrote",
        "Beginnings from the held-out text, their true continuation, and the model's likeliest.",
        ["Beginning", "True", "Model"],
        continuations(model, x_test[:: max(1, len(x_test) // 6)][:6]),
    )
    speed = {
        "one compiled loop, with a cache": pace(model, with_cache=True),
        "one step at a time, without": pace(model, with_cache=False),
    }
    page.scores(
        "Subwords per second",
        "The loop keeps the keys and values of earlier subwords; the other runs the whole compiled "
        f"model, on all {LENGTH} places, for each new one.",
        speed,
        form="{:,.0f}",
    )
    model.save(out / "model.keras")
    page.reload(model, prompt, "write", tokens=120, **how)
    page.write(
        {
            "Text": f"{what}, repeated paragraphs taken once; {len(subwords.vocabulary):,} "
            "different subwords",
            "Split": f"{split}; windows of {LENGTH}",
        }
    )
    fast, slow = speed.values()
    return scores | {"times faster": fast / slow}


def parts(text):
    """Return the first 80%, the next 10% and the last 10% of a text."""
    # What is repeated would be in the test as well as in what was learned.
    paragraphs = list(dict.fromkeys(text.split("\n\n")))
    ends = np.cumsum([len(paragraph) for paragraph in paragraphs])
    cuts = [0, *np.searchsorted(ends, [0.8 * ends[-1], 0.9 * ends[-1]]), len(paragraphs)]
    found = ["\n\n".join(paragraphs[a:b]) for a, b in zip(cuts, cuts[1:])]
    if min(map(len, found)) < 20 * LENGTH:
        raise BadInput(
            f"--data: the text is too short: {ends[-1]:,} characters in different paragraphs, and "
            f"{200 * LENGTH:,} are needed (an empty line ends a paragraph)"
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


if __name__ == "__main__":
    demo.script(main)
