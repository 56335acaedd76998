"""Survival models under one interface, one kind per file; `registry` knows them all."""
