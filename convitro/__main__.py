"""`python -m convitro`: the same as the command `convitro`."""

from convitro.cli import main

if __name__ == "__main__":
    main()
