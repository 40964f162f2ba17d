"""The time before the history began, from the transcripts of Claude Code.

- importing: count their answers in the history, each once
- reading: the answers that transcripts tell of
"""
