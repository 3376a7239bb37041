"""What the text models are trained on is the same text, however a source spells it."""

import sys
import unittest

from context import MODELS

sys.path.insert(0, str(MODELS / "train/text"))
from data import detokenise  # noqa: E402


class Detokenise(unittest.TestCase):
    def test_tokens_of_the_penn_treebank_are_joined_again(self):
        self.assertEqual(detokenise("wo n't stop , ever"), "won't stop, ever")

    def test_brackets_are_brackets_again_whichever_way_they_are_spelled(self):
        for left, right in (("lrb", "rrb"), ("-lrb-", "-rrb-")):
            text = f"a subtle {left} for the most part {right} chiller"
            self.assertEqual(detokenise(text), "a subtle (for the most part) chiller")

    def test_words_with_such_letters_in_them_stay(self):
        self.assertEqual(detokenise("a bulrbous -lrb nose"), "a bulrbous (nose")
        self.assertEqual(detokenise("lrbs and arrb"), "lrbs and arrb")


if __name__ == "__main__":
    unittest.main()
