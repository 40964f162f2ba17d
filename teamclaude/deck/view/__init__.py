"""Draw a model as styled lines of the terminal's width.

Pure functions of the model and the options; what a value is must have been computed in `model`.

- account_strip: one short line for each account
- accounts: an account's line with its quota bars
- activity: rows of held, running and finished requests
- activity_line: one finished request as a line of the log
- capacity_page: the answer of GET /capacity as lines
- footer: the last line: keys, questions, input
- frame: one whole screen
- header: the first lines: proxy, machine, capacity, totals
- issues: rows of issues, and of client keys
- needs_rows: rows of those who wait for their person
- node_rows: rows of conversations, and the heading of the trees
- pages: details, help and explanations
- row_filter: which rows contain the filter's letters
- sections: what scrolls, section by section
- ui_state: the state of the UI, and the renderer's options
- wording: short texts that several sections share
"""
