"""RDF: scene graphs as triples."""

from tumorboard.core.registry import Layout

LAYOUT = Layout(
    name="rdf",
    title="RDF (Turtle and JSON-LD)",
    summary=(
        "`graph.ttl` and `graph.jsonld` with the same triples: exams, images, boxes, statements with evidence, changes."
    ),
    write="tumorboard.datasets.rdf.writer:write",
)
