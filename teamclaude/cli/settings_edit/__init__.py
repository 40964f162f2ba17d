"""Edit settings files of other programs: one value at a time, every other character kept, and back again.

Only edited_files reads and writes; the others are pure.

- edit_record: which edits were made in a file, and the file with more or fewer of them
- edited_files: settings files edited atomically, with a record of each to take it back
- json_edit: one value in JSON text set or removed, every other character kept
- json_text: JSON text with comments as nodes that know their place
"""
