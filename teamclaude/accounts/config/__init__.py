"""The config file: declared settings, and reading, validating, editing and writing them.

Nothing here uses the network; the routing keys are declared in `routing.quota.rules`.

- atomic_write: replace a file durably, readable by its owner only
- config: the config file as frozen values, every key with its default, unit and reason
- config_file: the file on disk: its path, reading, locking and updating it
- edits: changes to the file's raw JSON, one account at a time
- file_lock: a lock file that excludes threads and processes
- identity: which entries are the same account, and which account a name means
- json_file: strict parsing and writing of the file's JSON
- schema: JSON read into declared settings by walking their type hints
- settings_table: the table of all settings that `teamclaude help config` prints
- value_types: one JSON value by its type and unit, and its description in errors
"""
