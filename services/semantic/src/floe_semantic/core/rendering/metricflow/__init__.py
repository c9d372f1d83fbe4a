"""MetricFlow's semantic models, metrics and saved queries, and what they become in Cube."""
