"""From report text (and chest X-rays) to scene graphs."""
