"""A run of a study that was stopped goes on as it began."""

import pytest

from medgraft.errors import TrainingError
from medgraft.runs import RunFolder
from medgraft.study.making import make_run
from medgraft.train.recipe import Recipe, save_recipe


@pytest.mark.parametrize("kept", [{"threads": 2}, {"device": "cpu"}, {"checkpoint_seconds": 7}])
def test_it_keeps_what_belongs_to_the_machine_and_the_study_says_the_rest(tmp_path, kept):
    run, calls, begun = RunFolder(tmp_path), [], Recipe(epochs=3, **kept)
    save_recipe(begun, run.recipe)

    def make(index_path, out, recipe, *, command, resume):
        calls.append((recipe, resume))
        if len(calls) == 2:
            raise TrainingError("it broke.")

    asked = Recipe(epochs=4, threads=1, device="auto", checkpoint_seconds=600)
    assert make_run(make, tmp_path, run, asked, []) is None
    machine = {name: getattr(begun, name) for name in ("device", "threads", "checkpoint_seconds")}
    assert calls == [(asked.model_copy(update=machine), True)]
    assert make_run(make, tmp_path, run, asked, []) == "it broke."
    run.recipe.unlink()
    assert make_run(make, tmp_path, run, asked, []) is None
    assert calls[-1] == (asked, False)
