"""Entry points of challenge containers: inputs as they lie there, outputs as they are wanted; no task itself."""
