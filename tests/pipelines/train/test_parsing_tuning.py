"""Facts of what is measured before and during the training of the parsing network."""

from pipelines.train.parsing.options import ParsingTrainOptions
from pipelines.train.parsing.tuning import StepTimer, choose_training_setup, make_empty_pictures


def test_a_cpu_keeps_the_batch_and_is_not_measured(tmp_path):
    how = ParsingTrainOptions(tmp_path, device="cpu", batch=3)
    assert choose_training_setup(how) == (how, "channels_last", {})


def test_a_cpu_has_no_times_of_parts(tmp_path):
    timer = StepTimer("cpu", every=1)
    for first in (True, False, False):
        timer.mark(first)
    assert timer.read_milliseconds() == {}


def test_empty_pictures_fill_a_batch(tmp_path):
    figures, scenes = make_empty_pictures(ParsingTrainOptions(tmp_path, device="cpu", batch=3, size=(64, 48)))
    assert figures.colour.shape == (3, 3, 64, 48)
    assert figures.layer.shape == (3, 64, 48)
    assert scenes.shape[1:] == (3, 64, 48)
