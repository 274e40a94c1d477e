"""The answers of a question sheet, computed from a capture by tshark.

  python3 scripts/course/captures s3 s3.pcapng
"""

import importlib
import sys

from capture import Unanswered


def main(sheet, path):
    try:
        for number, answer in enumerate(importlib.import_module(sheet).answers(path), 1):
            print(f"{number}. {answer}")
    except Unanswered as why:
        sys.exit(f"{path}: {why}")


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    main(*sys.argv[1:])
