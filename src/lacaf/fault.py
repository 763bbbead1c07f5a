"""What a user can mend: shown as a message, never as a traceback."""


class Fault(Exception):
    """Base of all errors whose message names the finding and the remedy.

    The command line shows it and ends with exit code 2; anything else is a bug of ours.
    """
