"""No bundle depends on the day on which it is made."""

import shutil
from datetime import datetime

import pytest

from graftline.testkit.local import run_stage
from graftline_export.descriptor import STAGE

# As SmolLM3: it asks for the day and nothing else.
DATED = (
    "{{ '<|im_start|>system\\nToday: ' + strftime_now('%d %B %Y') + '<|im_end|>\\n' }}"
    "{% for m in messages %}{{ '<|im_start|>' + m.role + '\\n' + m.content + '<|im_end|>\\n' }}"
    "{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}"
)
CONFIG = {
    "formats": ["gguf-adapter", "ollama"],
    "parity": {"prompts": 1, "max_new_tokens": 2},
}


@pytest.fixture
def modelfile_of_day(model, adapter, tmp_path, monkeypatch):
    dated = tmp_path / "model"
    shutil.copytree(model, dated)
    (dated / "chat_template.jinja").write_text(DATED)

    def make(*day):
        class Clock(datetime):
            @classmethod
            def now(cls, tz=None):
                return cls(*day)

        monkeypatch.setattr("transformers.utils.chat_template_utils.datetime", Clock)
        work = tmp_path / "-".join(map(str, day))
        inputs = {"model": dated, "adapter": adapter}
        run = run_stage(STAGE, work, config=CONFIG, inputs=inputs, runtime={"threads": 1})
        return (run.outputs["bundle"] / "gguf" / "Modelfile.adapter").read_bytes()

    return make


def test_a_modelfile_does_not_depend_on_the_day(modelfile_of_day):
    made = modelfile_of_day(2031, 5, 6)
    assert b"system\nToday: 26 July 2024<|im_end|>" in made
    assert modelfile_of_day(2032, 7, 8) == made
