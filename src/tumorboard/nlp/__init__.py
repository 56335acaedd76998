"""Report text to statements: sections, sentences, matcher, context, attachment. See `Reader`."""

from tumorboard.nlp.layout import Section, Sentence
from tumorboard.nlp.lexicon import Lexicon, lexicon_names, load_lexicon
from tumorboard.nlp.reader import Reader

__all__ = ["Lexicon", "Reader", "Section", "Sentence", "lexicon_names", "load_lexicon"]
