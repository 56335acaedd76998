"""Report text to mentions: sections, sentences, matcher, context."""
