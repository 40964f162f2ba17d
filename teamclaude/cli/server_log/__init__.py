"""What a running server prints and logs: to the terminal, a pipe or a file, as text or as JSON.

- line_printer: lines printed by a background thread, so that a terminal never blocks a request
- lines: one request, notice or warning as one line
- log_file: a file that is rotated by size
- outputs: which line goes where
"""
