"""The rules, one per file: `CODE`, `EXAMPLE`, `find(case)`."""
