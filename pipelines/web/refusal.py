"""What a visitor is told when something cannot be done."""

FULL_DISK = "the server's disk is full; delete old results, or ask who runs it to free some space"


class Refusal(Exception):
    """An HTTP status, and one sentence."""

    def __init__(self, status: int, sentence: str) -> None:
        super().__init__(sentence)
        self.status, self.sentence = status, sentence
