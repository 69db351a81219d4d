"""Makes lines of text from lines of text, as slowly and as badly as asked."""

from pydantic import Field

from graftline.config import Config, Runtime
from graftline.stage import Port, Stage


class TrialConfig(Config):
    word: str = Field("line", description="What each new line says.")
    count: int = Field(3, description="How many new lines.")


class TrialRuntime(Runtime):
    seconds: float = Field(0.0, description="How long to take.")
    marks: str = Field("", description="A folder: a file is added for each time that work is done.")
    fail_with: int = Field(0, description="Fail with this exit code …")
    fail_times: int = Field(1_000, description="… so often (counted by the marks).")
    stubborn: bool = Field(False, description="Do not look at requests to stop.")


STAGE = Stage(
    name="trial",
    version="1",
    summary="Makes lines.",
    inputs=(Port("parts", ("documents",), optional=True, repeated=True),),
    outputs=(Port("lines", ("documents",)),),
    config=TrialConfig,
    runtime=TrialRuntime,
    run="graftline_trial.stage:run",
)
