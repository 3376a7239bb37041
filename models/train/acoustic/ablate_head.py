"""Which layers of the encoder head.py's networks should hear.

    python ablate_head.py --data RAVDESS --noise NOISE --segments files.csv

Each row is trained and judged as head.py does it, on clips as they are, in five folds by speaker.
"""

import argparse
from pathlib import Path

import clips
import head
import numpy
import torch
from clips import FOLDS, LABEL_OF_EMOTION
from emotions import label_logits
from report import recall

ALL = [1, 2, 3, 4]  # Of tiny.en, counted from the first block's output.
ROWS = [[1], [2], [3], [4], [1, 2], [2, 3], [3, 4], [1, 2, 3], ALL]


def figures(scores, labels, fold):
    """Unweighted average recall, mean and deviation over folds."""
    by_fold = [recall(scores[fold == number], labels[fold == number]) for number in range(FOLDS)]
    return f"{numpy.mean(by_fold):.3f} ± {numpy.std(by_fold):.3f}"


def of_layers(values, layers):
    """Of pooled states [..., values] of ALL, those of some layers."""
    values = values.reshape(*values.shape[:-1], len(ALL), -1)
    return values[..., [ALL.index(layer) for layer in layers], :].reshape(*values.shape[:-2], -1)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="folder of RAVDESS's speech clips, WAV or FLAC")
    parser.add_argument("--noise", type=Path, required=True, help="a recording of background noise, longer than any clip")
    parser.add_argument("--segments", type=Path, required=True, help="files.csv of an evaluation of the same clips")
    parser.add_argument("--states", nargs="+", default=head.PROGRAM, help="how to run the states example if not through cargo")
    arguments = parser.parse_args()
    torch.set_num_threads(1)

    paths, emotions, actors = clips.find(arguments.data)
    fold, everyone = clips.folds(actors), numpy.arange(len(paths))
    head.LAYERS = ALL
    cuts = clips.segments(paths, arguments.segments)
    values = head.pooled_clips(paths, arguments.noise, cuts, head.COPIES, "int8", arguments.states)
    beginnings, of_clips, _ = head.pooled_beginnings(paths, arguments.states)
    print("| layers | three labels | eight emotions |\n| --- | --- | --- |")
    for layers in ROWS:
        heard, begun = of_layers(values, layers), of_layers(beginnings, layers)
        (logits,), _ = head.held_out(heard, emotions, actors, begun, of_clips, [(heard[:, 0], everyone)])
        three = figures(label_logits(logits), LABEL_OF_EMOTION[emotions], fold)
        print(f"| {', '.join(map(str, layers))} | {three} | {figures(logits, emotions, fold)} |", flush=True)


if __name__ == "__main__":
    main()
