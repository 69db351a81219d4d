from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from graftline.v1.artifact_pb2 import Artifact
from graftline.v1.manifest_pb2 import InputRef, Manifest, OutputRef
from graftline_workflows.lineage.steps import places_read

edges = st.lists(st.tuples(st.integers(0, 7), st.integers(0, 7)), max_size=24)


@given(edges, st.randoms(use_true_random=False))
def test_every_artifact_stands_before_what_it_was_made_from(pairs, shuffled) -> None:
    """An edge leads from the larger number to the smaller: no circles."""
    reads = {(max(pair), min(pair)) for pair in pairs if pair[0] != pair[1]}
    manifests = [
        Manifest(
            key=str(number),
            step=str(number),
            inputs=[InputRef(key=str(b), output="out") for a, b in sorted(reads) if a == number],
            outputs=[OutputRef(port="out", artifact=Artifact()), OutputRef(port="other")],
        )
        for number in range(8)
    ]
    shuffled.shuffle(manifests)
    found = [int(place.manifest.key) for place in places_read(manifests)]
    assert sorted(found) == sorted({b for _, b in reads}), "what nobody read is left out"
    for later, earlier in reads:
        if later in found:
            assert found.index(later) < found.index(earlier)
