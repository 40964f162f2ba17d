"""What a person looks at: the JSON of the running proxy in, lines of text out.  Pure; nothing here prints.

`cells` measures and cleans text, `figures` writes numbers, `paint` colours, `table` lines up, `reading` reads
JSON; `text`, `verdict` and `activity` are the pages made of them.
"""
