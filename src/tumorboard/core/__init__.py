"""The nouns of the product; depends on numpy and pyarrow alone."""
