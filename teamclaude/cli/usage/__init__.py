"""What `teamclaude usage` prints: the rows of a report as a table or as bars; and its import.

- bars: a report as a chart of bars
- importing: `usage --import`: progress, and what was found
- table: a report as a table, its heading and its last lines
"""
