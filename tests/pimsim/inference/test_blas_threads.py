"""BLAS has one thread inside the context, and as many as before after it."""

import pytest
from threadpoolctl import threadpool_info, threadpool_limits

from pimsim.inference.blas_threads import SingleThread


def blas_threads() -> list[int]:
    return [each["num_threads"] for each in threadpool_info() if each["user_api"] == "blas"]


def divide(single: SingleThread) -> float:
    with single:
        return 1 / 0


def test_the_number_of_threads_comes_back_also_after_an_error() -> None:
    single = SingleThread()
    with threadpool_limits(2, "blas"):
        before = blas_threads()
        for _ in range(2):
            with single:
                assert blas_threads() == [1] * len(before)
            assert blas_threads() == before
        with pytest.raises(ZeroDivisionError):
            divide(single)
        assert blas_threads() == before
