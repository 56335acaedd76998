"""Similar lesions of other patients: embeddings, search among them, types."""
