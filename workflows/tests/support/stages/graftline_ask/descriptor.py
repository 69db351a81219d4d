"""Is set as stages are that ask a language model, and says what stands in a file today."""

from pydantic import Field

from graftline.config import Config, Runtime
from graftline.llm.config import LlmConfig, LlmRuntime
from graftline.stage import Port, Stage


class AskConfig(Config):
    request: LlmConfig = Field(description="Which model is asked.")


class AskRuntime(Runtime):
    llm: LlmRuntime = Field(default=LlmRuntime(), description="How it is asked.")
    says: str = Field("", description="A file with what it answers today.")


STAGE = Stage(
    name="ask",
    version="1",
    summary="Asks.",
    inputs=(),
    outputs=(
        Port("lines", ("documents",)),
        Port("more", ("documents",), optional=True),
    ),
    config=AskConfig,
    runtime=AskRuntime,
    run="graftline_ask.stage:run",
)
