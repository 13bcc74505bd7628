"""What a visitor is told when something cannot be done."""


class Refusal(Exception):
    """An HTTP status, and one sentence."""

    def __init__(self, status: int, sentence: str) -> None:
        super().__init__(sentence)
        self.status, self.sentence = status, sentence
