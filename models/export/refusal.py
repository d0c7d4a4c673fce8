"""What these programs say instead of a traceback when something is missing or wrong."""


class Refusal(Exception):
    """A sentence that says what is wrong, and one that says what to do."""

    def __init__(self, sentence: str, next_step: str) -> None:
        super().__init__(f"{sentence} {next_step}")
