"""``python -m lacaf``: the command line where the script is not on the path."""

from lacaf.cli import main

main()
