"""The exact rules of published challenges, each ambiguity an option that is printed with the score."""
