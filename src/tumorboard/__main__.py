"""`python -m tumorboard`."""

from tumorboard.cli.main import main

if __name__ == "__main__":
    main()
