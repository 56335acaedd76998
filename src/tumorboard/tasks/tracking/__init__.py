"""The same lesion over exams: alignment, lesion graph, sequences, and where a lesion lies in the other exam."""
