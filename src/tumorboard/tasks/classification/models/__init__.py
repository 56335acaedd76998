"""Classifiers under one interface."""
