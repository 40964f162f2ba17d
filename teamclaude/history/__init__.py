"""What happened, in SQLite: usage, quota readings and events, written by one thread and read by reports.

It holds numbers and names (accounts, models, projects, ids), never the text of a conversation.
`manual/history.md` describes the file.

- rows: what is remembered, as values
- histogram: durations in buckets that add up
- day_growth: the same of whole days, in a table
- growth: how much of the quota windows was used
- steps: hours, days, weeks and months of local time
- schema: the tables and their migrations
- columns: the counted columns and how they add up
- database: how the file is opened, and renamed
- store: writes batches
- pending: what waits to be written
- writer: the thread that writes
- retention: what is summed up and deleted when: pure
- upkeep: carries that out
- issue_totals: what each issue used lately, in memory
- ledger_import: what older versions kept in the state file
- reader: answers reports
- reports: what `usage` and the page show, as rows, JSON and CSV
- transcripts: the time before, from Claude Code's transcripts
"""
