"""What Claude Code and its session registry wrote to this machine's disk, read in the background as values.

Everything is read-only, bounded and optional; what it means for a conversation is decided in `model`.

- files: stamps, bounded reads and a cache of other programs' files
- machine: the machine's load
- processes: whether the process that wrote a file still lives
- reader: the background thread, and its schedule
- registry: the session registry, pins, tool markers, running clients
- session_files: find transcripts, and follow those of one session
- sources: the values that were read, and these as JSON
- transcripts: read transcripts from their end, and what their lines say
"""
