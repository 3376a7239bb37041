"""The labelled sentences: reading them, splitting them, and making them look like what a recogniser writes.

Labels are 0 negative, 1 neutral, 2 positive. `load` reads one folder with
    meld/{train,dev}.csv                    spoken dialogue, three classes and seven emotions
    sst2/{train,dev}.tsv                    film reviews, two classes
    vader/*_GroundTruth.txt                 reviews, editorials and tweets with the mean valence of 20 raters, -4 to 4
    tweeteval-sentiment/val_{text,labels}.txt   tweets, three classes
"""

import csv
import hashlib
import html
import math
import random
import re
from dataclasses import dataclass, replace
from pathlib import Path

LABELS = ["negative", "neutral", "positive"]
NEGATIVE, NEUTRAL, POSITIVE = range(3)
EMOTIONS = ["anger", "disgust", "fear", "joy", "neutral", "sadness", "surprise"]
# |valence| up to the first is neutral, from the second on polar; development leaves out what lies between them.
VALENCE_NEUTRAL, VALENCE_POLAR = 0.5, 1.0
# Training takes every valence: P(positive) is a logistic function of it, one half between the two bounds.
VALENCE_MIDDLE, VALENCE_SPREAD = 0.75, 0.3
WEIGHT = {"meld": 1.0}  # in the loss: speech counts most
OTHER_WEIGHT = 0.6
SHARE = {"vader-editorials": 0.4}  # of a source, in each epoch: long sentences, far from speech
TAUGHT_SHARE = {"vader-editorials": 0.2, "vader-products": 0.4, "vader-tweets": 0.4}  # the same of the second training
FILMS = {"sst2", "vader-movies"}  # sources of film reviews, which a teacher answers
# Of the sources without a development part of their own, one text in so many is for development.
DEV_ONE_IN = {"tweets": 5}
OTHER_DEV_ONE_IN = 20


@dataclass(frozen=True)
class Sentence:
    source: str
    text: str
    raw: str  # as the source has it, with its tokenisation, handles and typography
    label: int | None = None  # None: between neutral and polar
    target: tuple[float, float, float] | None = None  # probabilities of LABELS; None: SST-2, which knows no neutral
    pair: int | None = None  # 1 positive, 0 negative, where the choice was between these two
    emotion: int | None = None
    odds: float | None = None  # a teacher's logit of positive less that of negative
    answer: tuple[float, ...] | None = None  # logits of LABELS and EMOTIONS, of the model that training starts from
    row: int | None = None  # of the answers of distil.py


def load(folder: Path) -> tuple[list[Sentence], list[Sentence]]:
    """Training and development sentences. No text of five words or more is in both, whatever source it came from."""
    meld, sst2, vader, tweets = (folder / name for name in ("meld", "sst2", "vader", "tweeteval-sentiment"))
    for part in (meld / "train.csv", sst2 / "train.tsv", vader / "tweets_GroundTruth.txt", tweets / "val_text.txt"):
        if not part.is_file():
            raise SystemExit(
                f"{part} is missing: --data takes a folder with all four sources, laid out as data.py describes"
            )
    split = [*_read_vader(vader), *_read_tweets(tweets)]
    held_out = [sentence for sentence in split if _held_out(sentence) and sentence.label is not None]
    dev = [*_read_meld(meld / "dev.csv"), *_read_sst2(sst2 / "dev.tsv"), *held_out]
    train = [*_read_meld(meld / "train.csv"), *(sentence for sentence in split if not _held_out(sentence))]
    train = _joined(train, _read_sst2(sst2 / "train.tsv"))
    seen = {_key(sentence.text) for sentence in dev if len(sentence.text.split()) >= 5}
    return [sentence for sentence in train if _key(sentence.text) not in seen], dev


def _joined(train: list[Sentence], sst2: list[Sentence]) -> list[Sentence]:
    """SST-2's sentences added; one that VADER rated as well keeps the rating and gains SST-2's choice of two."""
    choices = {_key(sentence.text): sentence for sentence in sst2}
    both = set()
    for place, sentence in enumerate(train):
        choice = choices.get(_key(sentence.text)) if sentence.source == "vader-movies" else None
        if choice is not None:
            train[place] = replace(sentence, raw=choice.raw, pair=choice.pair)
            both.add(_key(sentence.text))
    return train + [sentence for sentence in sst2 if _key(sentence.text) not in both]


def _key(text: str) -> str:
    return re.sub(r"[^a-z0-9]", "", text.lower())


def _held_out(sentence: Sentence) -> bool:
    digest = hashlib.sha256(_key(sentence.text).encode()).digest()
    return int.from_bytes(digest[:4], "big") % DEV_ONE_IN.get(sentence.source, OTHER_DEV_ONE_IN) == 0


def _read_meld(path: Path) -> list[Sentence]:
    with path.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    sentences = [_labelled("meld", row["Utterance"], LABELS.index(row["Sentiment"])) for row in rows]
    emotions = [EMOTIONS.index(row["Emotion"]) for row in rows]
    return [replace(sentence, emotion=emotion) for sentence, emotion in zip(sentences, emotions, strict=True)]


def _labelled(source: str, raw: str, label: int) -> Sentence:
    return Sentence(source, clean(raw), raw, label, tuple(float(label == each) for each in range(len(LABELS))))


def _read_sst2(path: Path) -> list[Sentence]:
    rows = (line.rsplit("\t", 1) for line in path.read_text(encoding="utf-8").splitlines())
    return [
        Sentence("sst2", clean(detokenise(raw)), raw, POSITIVE if label == "1" else NEGATIVE, pair=int(label))
        for raw, label in rows
    ]


def _read_tweets(folder: Path) -> list[Sentence]:
    texts = (folder / "val_text.txt").read_text(encoding="utf-8").strip("\n").split("\n")
    labels = (folder / "val_labels.txt").read_text(encoding="utf-8").split()
    return [_labelled("tweets", text, int(label)) for text, label in zip(texts, labels, strict=True)]


def _read_vader(folder: Path) -> list[Sentence]:
    sources = {
        "amazonReview": "vader-products",
        "movieReview": "vader-movies",
        "nytEditorial": "vader-editorials",
        "tweets": "vader-tweets",
    }
    sentences = []
    for stem, source in sources.items():
        [path] = folder.glob(f"{stem}*_GroundTruth.txt")
        for line in path.read_text(encoding="utf-8").splitlines():
            _, valence, raw = line.split("\t")
            label, target = _valence_label(float(valence)), _valence_target(float(valence))
            sentences.append(Sentence(source, clean(raw), raw, label, target))
    return sentences


def _valence_label(valence: float) -> int | None:
    if abs(valence) <= VALENCE_NEUTRAL:
        return NEUTRAL
    if abs(valence) >= VALENCE_POLAR:
        return POSITIVE if valence > 0 else NEGATIVE
    return None


def _valence_target(valence: float) -> tuple[float, float, float]:
    """Probabilities of negative, neutral and positive."""
    negative, positive = (1 / (1 + math.exp((VALENCE_MIDDLE - sign * valence) / VALENCE_SPREAD)) for sign in (-1, 1))
    return negative, 1 - negative - positive, positive


TYPOGRAPHY = str.maketrans(
    {"‘": "'", "’": "'", "`": "'", "´": "'", "“": '"', "”": '"', "–": "-", "—": " - ", "…": "...", "\xa0": " "}
)


def clean(text: str) -> str:
    """Plain punctuation, UTF-8 that was read as Latin-1 put right, no handles, links or '#', which nobody says."""
    try:
        text = text.encode("latin-1").decode("utf-8")
    except UnicodeError:
        pass  # It was right before.
    text = html.unescape(text).translate(TYPOGRAPHY).replace("''", '"')
    text = re.sub(r"@\w+|https?://\S+|#", " ", text)
    return " ".join(text.split())


def detokenise(text: str) -> str:
    """Penn Treebank tokens joined again: "wo n't stop , ever" becomes "won't stop, ever"."""
    text = re.sub(r"(?<!\S)-?lrb-?(?!\S)", "(", text)
    text = re.sub(r"(?<!\S)-?rrb-?(?!\S)", ")", text)
    text = re.sub(r" (n't|'(?:s|re|ve|ll|d|m))\b", r"\1", text)
    return re.sub(r" ([,.;:!?)])", r"\1", re.sub(r"([(]) ", r"\1", text))


ONES = """zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen
seventeen eighteen nineteen""".split()
TENS = "twenty thirty forty fifty sixty seventy eighty ninety".split()
FILLERS = ["uh", "um", "uh,", "um,", "well,", "you know,", "I mean,"]


def number_words(number: int) -> str:
    """The words of 0 to 999."""
    if number < 20:
        return ONES[number]
    if number < 100:
        return TENS[number // 10 - 2] + (f"-{ONES[number % 10]}" if number % 10 else "")
    return f"{ONES[number // 100]} hundred" + (f" {number_words(number % 100)}" if number % 100 else "")


def as_recognised(text: str, chance: random.Random) -> str:
    """One way in which a speech recogniser may write `text`: with or without punctuation, with disfluencies."""
    if chance.random() < 0.5:
        text = re.sub(r"(?<![\d.,])\d{1,3}(?![\d.,])", lambda match: number_words(int(match[0])), text)
    style = chance.random()
    if style < 0.35:
        text = bare(text)
    elif style < 0.55:  # A recogniser seldom hears an exclamation mark or dots.
        text = re.sub(r"!+|\.\.+", ". ", text)
    words = text.split()
    if chance.random() < 0.12:
        words.insert(chance.randrange(len(words) + 1), chance.choice(FILLERS))
    if chance.random() < 0.06 and words:
        place = chance.randrange(len(words))
        words.insert(place, words[place].strip(",.;:!?"))
    return " ".join(words)


def bare(text: str) -> str:
    """Lower-case words alone, apostrophes kept: what a recogniser without punctuation writes."""
    return " ".join(re.sub(r"[^a-z0-9' ]", " ", text.lower()).split()) or text
