"""The settings of the `ingest` stage."""

from __future__ import annotations

from typing import Any, Literal, Self

from pydantic import Field, model_validator

from graftline.config import Config, Runtime, Settings, SourceUri

Layout = Literal[
    "auto",
    "messages",
    "alpaca",
    "sharegpt",
    "prompt-completion",
    "fields",
    "snips",
    "clinc",
    "qa",
    "instructlab",
    "documents",
]
Format = Literal["auto", "jsonl", "json", "csv", "tsv", "parquet", "arrow"]
Encoding = Literal["auto", "utf-8", "utf-16", "utf-32", "latin-1", "cp1252"]


class FieldMap(Settings):
    """Which fields of a row make the example, for the layout `fields`."""

    text: str = Field(
        default="",
        description="Field that holds the input text; `a.b` reaches into nested objects.",
    )
    answer: dict[str, str] = Field(
        default={},
        description="The answer's JSON: path in the answer -> field of the row, such as"
        " {intent: label, entities.order_id: order}. An empty or missing field is left out, or"
        " null where the schema allows it.",
    )
    completion: str = Field(
        default="",
        description="Field that holds the whole answer as text; instead of `answer`.",
    )

    @model_validator(mode="after")
    def _complete(self) -> Self:
        if self.answer and self.completion:
            raise ValueError("give either `answer` or `completion`, not both")
        if bool(self.text) != bool(self.answer or self.completion):
            raise ValueError("give `text` together with `answer` or `completion`")
        for path in sorted(self.answer):
            parts = path.split(".")
            for outer in (".".join(parts[:count]) for count in range(1, len(parts))):
                if outer in self.answer:
                    raise ValueError(
                        f"answer path '{path}' lies inside '{outer}', which has a value"
                    )
        return self


class SplitSettings(Settings):
    """How each row gets its split."""

    field: str = Field(
        default="",
        description="Field that names a row's split. Without it the split comes from file and"
        " folder names (train_*, validate_*, test-*), from the Hub set's own splits, or is"
        " `default`.",
    )
    names: dict[str, str] = Field(
        default={},
        description="More names of splits: a name in the data -> train, eval, ood or another; ''"
        " leaves such rows out. Known anyway: train, training -> train; val, valid, validate,"
        " validation, dev, test, eval, evaluation -> eval; ood, oos -> ood.",
    )
    fractions: dict[str, float] = Field(
        default={},
        description="Shares to take from the rows that would be `train`, group by group, such as"
        " {eval: 0.1}. By a digest of seed and group: it does not depend on the rows' order.",
    )
    default: str = Field(
        default="train", min_length=1, description="Split of rows about which nothing is said."
    )

    @model_validator(mode="after")
    def _shares(self) -> Self:
        for name, share in self.fractions.items():
            if not 0 < share < 1 or name in ("", "train"):
                raise ValueError(
                    f"fraction '{name}': {share}; a share is above 0 and below 1,"
                    " for any split but train"
                )
        if sum(self.fractions.values()) >= 1:
            raise ValueError("the fractions leave nothing for train; their sum must be below 1")
        return self


class DocumentSettings(Settings):
    """Bounds of the layout `documents`; what is beyond them becomes a reject."""

    max_file_mb: int = Field(
        default=64, ge=1, le=4096, description="Largest file, in MiB (too-large)."
    )
    max_text_mb: int = Field(
        default=16,
        ge=1,
        le=256,
        description="Most text that a file may hold or give, in MiB of UTF-8 (too-large).",
    )
    max_pages: int = Field(default=5000, ge=1, description="Most pages of a PDF (too-large).")
    max_seconds: int = Field(
        default=120,
        ge=1,
        le=3600,
        description="Most processor time that parsing a file may take (timeout).",
    )
    max_memory_mb: int = Field(
        default=2048,
        ge=1024,
        description="Most memory (address space) that parsing a file may take, in MiB (too-large).",
    )
    max_archive_mb: int = Field(
        default=1024, ge=1, description="Largest archive within an archive, in MiB (too-large)."
    )
    max_depth: int = Field(
        default=3, ge=1, le=10, description="How deep archives may lie in archives (too-deep)."
    )
    max_members: int = Field(
        default=100_000, ge=1, description="Most files of an archive and those in it (bomb)."
    )


_FOR_EXAMPLES = (
    "fields",
    "group_field",
    "id_field",
    "meta_fields",
    "instruction",
    "task",
    "answer_schema",
    "key_order",
    "hub_config",
    "format",
)
"""Settings that mean nothing for documents."""


class IngestConfig(Config):
    """Settings of `ingest`."""

    source: SourceUri = Field(
        description="What to read: a file, a folder, s3://bucket/prefix, package://module/file, or"
        " hf://datasets/org/name@revision. Files may be gzipped (.gz); documents may lie in"
        " archives (.zip, .tar, .tar.gz)."
    )
    include: list[str] = Field(
        default=[],
        description="Glob patterns of the files to read in a folder, such as ['train-*.parquet'];"
        " empty: every file of a known format.",
    )
    exclude: list[str] = Field(
        default=[],
        description="Glob patterns of files in a folder (or in archives) to pass over, whatever"
        " `include` says, such as ['*-definition.yaml']: they are no rejects and are not counted.",
    )
    format: Format = Field(
        default="auto", description="The files' format; auto goes by name and first characters."
    )
    encoding: Encoding = Field(
        default="auto",
        description="The text files' encoding; auto is UTF-8 (a byte order mark is dropped, UTF-16"
        " and UTF-32 are known by theirs), and Latin-1 for SNIPS files that are not UTF-8."
        " Documents that are not UTF-8 are of the encoding that they declare, else the likeliest.",
    )
    hub_config: str = Field(
        default="", description="Configuration (subset) of a Hub set; empty: its only one."
    )
    layout: Layout = Field(
        default="auto",
        description="How a row says its example: messages (OpenAI), alpaca, sharegpt,"
        " prompt-completion, fields (by `fields`), snips, clinc, qa (questions and answers with the"
        " chunk that each came from); auto goes by the first row."
        " `instructlab` reads the qna.yaml files of a taxonomy."
        " `documents` reads Markdown, HTML, text, PDF and Word files, and archives of them, into"
        " documents instead of examples.",
    )
    documents: DocumentSettings = Field(
        default=DocumentSettings(), description="Bounds of the layout `documents`."
    )
    fields: FieldMap = Field(default=FieldMap(), description="For the layout `fields`.")
    split: SplitSettings = Field(
        default=SplitSettings(), description="Where splits come from: names, a field, fractions."
    )
    group_field: str = Field(
        default="",
        description="Field that names what a split must not cut through (customer, document,"
        " session). Without it the source file of the layouts qa and instructlab is the group, and"
        " elsewhere each prompt is one of its own.",
    )
    id_field: str = Field(
        default="", description="Field with the row's own id; kept as `source_id` in `meta`."
    )
    meta_fields: list[str] = Field(default=[], description="Fields to keep in `meta`.")
    instruction: str = Field(
        default="", description="System prompt for every example that has none of its own."
    )
    task: str = Field(
        default="",
        description="The examples' task; empty: json where the answer is JSON (layouts fields with"
        " `answer`, snips, clinc, or with a schema), qa in the layouts qa and instructlab, chat"
        " elsewhere.",
    )
    answer_schema: dict[str, Any] = Field(
        default={},
        description="JSON Schema of the answer. Rows whose answer is not JSON or violates it become"
        " rejects (answer-not-json, label-not-in-schema). A field that the schema makes an array is"
        " always a list.",
    )
    key_order: list[str] = Field(
        default=[],
        description="Order of the answer's keys, as paths (intent, entities, entities.order_id)."
        " Keys not named follow in the order of the schema's `required`, then by name.",
    )
    max_malformed_share: float = Field(
        default=0.05,
        ge=0,
        le=1,
        description="Largest share of rows that may be malformed (not JSON, wrong encoding, wrong"
        " number of cells, too long); above it the step fails.",
    )
    max_row_mb: int = Field(
        default=16, ge=1, le=1024, description="Longest line or row that is read, in MiB."
    )
    max_document_mb: int = Field(
        default=256,
        ge=1,
        le=4096,
        description="Largest JSON or YAML file that is one object (SNIPS, CLINC, qna.yaml), in MiB"
        " unpacked.",
    )
    max_expansion: int = Field(
        default=200,
        ge=2,
        description="How many times larger than itself a .gz file, an archive or a Word file"
        " (beyond its first 64 MiB), a Parquet or Arrow file (beyond 256 MiB) may become before it"
        " is taken for a decompression bomb.",
    )

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.layout == "fields" and not self.fields.text:
            raise ValueError("layout 'fields' needs `fields.text` and `fields.answer`")
        if self.fields.text and self.layout not in ("auto", "fields"):
            raise ValueError(f"`fields` is for the layout 'fields', not '{self.layout}'")
        if self.layout == "instructlab" and self.format != "auto":
            raise ValueError("the layout 'instructlab' reads YAML; leave `format` out")
        return self

    @model_validator(mode="after")
    def _for_one_kind(self) -> Self:
        if self.layout != "documents":
            if self.documents != DocumentSettings():
                raise ValueError("`documents` is for the layout 'documents'")
            return self
        fields = type(self).model_fields
        useless = [name for name in _FOR_EXAMPLES if getattr(self, name) != fields[name].default]
        useless += ["split.field"] if self.split.field else []
        if useless:
            raise ValueError(f"the layout 'documents' has no use for {', '.join(useless)}")
        return self


class IngestRuntime(Runtime):
    """How `ingest` gets there."""

    parsers: int = Field(
        default=2,
        ge=1,
        le=64,
        description="Files that are parsed at once (layout `documents`), each by a process of its"
        " own with up to `documents.max_memory_mb`.",
    )
