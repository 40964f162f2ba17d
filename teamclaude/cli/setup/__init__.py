"""What `teamclaude setup` writes into the settings of Claude Code and of editors, and what it prints.

Nothing here writes a file: settings_edit/edited_files.py does, when the command says so.

- edits: the values that a settings file gets, and the variables that it has
- files: which settings files there are for each scope and editor
- plan: the files and edits of one target and scope, and what to know about them
- report: a change as a line and as a diff, without secrets
- snippets: texts to copy: for GitHub Actions, and for the SDKs
"""
