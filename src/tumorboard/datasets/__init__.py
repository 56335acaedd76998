"""Published layouts, one folder each: reader and writer."""
