"""What is stored of an executed notebook does not depend on the machine, and a text that differs is found."""

from __future__ import annotations

from typing import Any

from tools.run_notebooks import METADATA, cleaned, differences, texts


class Node(dict[str, Any]):
    """A dictionary whose keys are attributes, as nbformat has them."""

    __getattr__ = dict.__getitem__
    __setattr__ = dict.__setitem__  # type: ignore[assignment]


def notebook(*outputs: dict[str, Any]) -> Node:
    execution = {"iopub.execute_input": "2026-11-30T20:00:00"}
    code = Node(cell_type="code", metadata=Node(execution=execution), execution_count=7, outputs=[*outputs], source="x")
    prose = Node(cell_type="markdown", metadata=Node(collapsed=True), source="# A")
    return Node(metadata=Node(language_info={"version": "3.11.7"}), cells=[prose, code])


def stream(text: str) -> dict[str, Any]:
    return {"output_type": "stream", "name": "stdout", "text": text}


def picture(data: str) -> dict[str, Any]:
    both = {"image/png": data, "text/plain": "<Figure size 600x300 with 1 Axes>"}
    return {"output_type": "display_data", "data": both, "metadata": {"image/png": {"width": 600}}}


def test_cells_are_numbered_and_nothing_of_the_machine_stays() -> None:
    value = {"output_type": "execute_result", "execution_count": 7, "data": {"text/plain": "1"}, "metadata": {}}
    new = cleaned(notebook(picture("abc"), value))
    assert new.metadata == METADATA
    assert [cell.metadata for cell in new.cells] == [{}, {}]
    assert new.cells[1].execution_count == 1
    assert [output["metadata"] for output in new.cells[1].outputs] == [{}, {}]
    assert new.cells[1].outputs[1]["execution_count"] == 1


def test_of_a_picture_only_the_place_is_compared() -> None:
    assert differences(notebook(picture("abc")), notebook(picture("xyz"))) == []
    assert differences(notebook(picture("abc")), notebook()) != []


def test_a_digit_that_differs_is_found() -> None:
    (found,) = differences(notebook(stream("17.6 ms\n")), notebook(stream("17.7 ms\n")))
    assert found.startswith("cell 2:")
    assert "17.6 ms" in found
    assert "17.7 ms" in found


def test_an_error_is_an_output() -> None:
    cell = notebook({"output_type": "error", "ename": "KeyError", "evalue": "'x'", "traceback": []}).cells[1]
    assert texts(cell) == [("error", "'x'")]


def test_lines_of_a_file_are_joined() -> None:
    cell = {"outputs": [{"output_type": "stream", "name": "stdout", "text": ["a\n", "b\n"]}]}
    assert texts(cell) == [("stdout", "a\nb\n")]
