"""The snapshot and the counts of requests as Prometheus reads them: OpenMetrics text with bounded labels.

Only `request_counts` is imported with the server, the rest at the first scrape.

- exposition: the two text formats, and which format a scraper asks for
- families: every metric, declared once
- process_metrics: the process and the interpreter
- protobuf: a third format, with native histograms
- request_counts: what is counted while requests end
- request_samples: those counts as samples
- snapshot_metrics: the snapshot as samples
"""
