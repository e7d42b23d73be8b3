"""`make bench`: all benchmarks one after the other, or one of them.

python -m benchmarks [layers] [sqlite] [postgres] [servers] [option ...]

What is an option goes to each of them: `--rounds 9`. `servers` measures no time and runs only when it is named.
"""

import subprocess
import sys

COMMANDS = {
    "layers": ["-m", "benchmarks.layers"],
    "sqlite": ["-m", "benchmarks.web", "--database", "sqlite"],
    "postgres": ["-m", "benchmarks.web", "--database", "postgres"],
    "servers": ["-m", "benchmarks.servers"],
}
TIMED = ("layers", "sqlite", "postgres")


def main(arguments):
    """Run those that are named, or all; return 1 when one failed, after all have run."""
    named = [one for one in arguments if one in COMMANDS]
    options = [one for one in arguments if one not in COMMANDS]
    if options and not options[0].startswith("-"):
        return f"There is no benchmark {options[0]!r}; choose from {', '.join(COMMANDS)}."
    codes = [subprocess.call([sys.executable, *COMMANDS[name], *options]) for name in named or TIMED]
    return 1 if any(codes) else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
