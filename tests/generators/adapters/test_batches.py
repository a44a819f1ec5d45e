"""Batches of local models: memory limits and exceptions."""

from collections.abc import Sequence

import pytest

from generators.adapters.base import AdapterError, Answer, GeneratedImage, GenerationRequest, Outcome
from generators.adapters.batches import draw_in_batches, make_drawing_error


def ask(count: int) -> list[GenerationRequest]:
    return [GenerationRequest("a cube", seed, 64, 48) for seed in range(count)]


class Machine:
    """Draws at most ``room`` images in one call, as a small GPU does."""

    def __init__(self, room: int) -> None:
        self.room = room
        self.batches: list[int] = []

    def draw(self, batch: Sequence[GenerationRequest]) -> list[Answer]:
        import torch

        self.batches.append(len(batch))
        if len(batch) > self.room:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB.")
        return [GeneratedImage(str(request.seed).encode(), "image/png") for request in batch]


def test_out_of_memory_halves_the_batch_and_draws_nothing_twice() -> None:
    machine = Machine(room=2)
    answers, fitting = draw_in_batches(ask(7), 8, machine.draw)
    assert [answer.data for answer in answers if isinstance(answer, GeneratedImage)] == [
        str(seed).encode() for seed in range(7)
    ]
    assert machine.batches == [7, 3, 1, 1, 1, 1, 1, 1, 1]
    assert fitting == 1


def test_with_enough_memory_batches_have_the_largest_size() -> None:
    machine = Machine(room=4)
    answers, fitting = draw_in_batches(ask(6), 4, machine.draw)
    assert len(answers) == 6
    assert machine.batches == [4, 2]
    assert fitting == 4


def test_an_image_that_does_not_fit_alone_is_invalid_with_the_memory_figures() -> None:
    answers, _ = draw_in_batches(ask(2), 2, Machine(room=0).draw)
    assert len(answers) == 2
    for answer in answers:
        assert isinstance(answer, AdapterError)
        assert (answer.outcome, answer.code) == (Outcome.INVALID, "out_of_memory")
        assert "64 x 48 pixels" in answer.message
        assert "Tried to allocate 2.00 GiB" in answer.message
        assert "bytes" in answer.message


def test_another_exception_is_the_answer_to_its_own_batch_only() -> None:
    def draw(batch: Sequence[GenerationRequest]) -> list[Answer]:
        if batch[0].seed == 2:
            raise ValueError("no such thing")
        return [GeneratedImage(b"drawn", "image/png") for _ in batch]

    answers, _ = draw_in_batches(ask(6), 2, draw)
    assert [isinstance(answer, AdapterError) for answer in answers] == [False, False, True, True, False, False]
    assert isinstance(answers[2], AdapterError)
    assert answers[2].outcome is Outcome.INVALID
    assert answers[2].message == "ValueError: no such thing"


@pytest.mark.parametrize(
    ("error", "outcome", "code"),
    [
        (MemoryError(), Outcome.INVALID, "out_of_memory"),
        (RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried"), Outcome.INVALID, "out_of_memory"),
        (RuntimeError("BFCArena: Failed to allocate memory for requested buffer"), Outcome.INVALID, "out_of_memory"),
        (RuntimeError("CUDA error: an illegal memory access was encountered"), Outcome.TRANSIENT, "device"),
        (RuntimeError("mat1 and mat2 shapes cannot be multiplied"), Outcome.INVALID, ""),
    ],
)
def test_exceptions_of_libraries_have_an_outcome(error: Exception, outcome: Outcome, code: str) -> None:
    made = make_drawing_error(error)
    assert (made.outcome, made.code) == (outcome, code)
