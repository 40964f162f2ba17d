"""The config file: declared settings, and reading, validating, editing and writing them.

Nothing here uses the network; the routing keys are declared in `routing.quota.rules`.

- account_config: one account: identity, credentials, routing options
- alert_condition: the conditions that an alert waits for
- atomic_write: replace a file durably, readable by its owner only
- changes: what is different in a file that is read again
- config: the config file as frozen values, every key with its default, unit and reason
- config_file: the file on disk: reading, locking and updating it
- edits: changes to the file's raw JSON, one account at a time
- file_lock: a lock file that excludes threads and processes
- identity: which entries are the same account, and which account a name means
- json_file: strict parsing and writing of the file's JSON
- original_keys: the keys of the programs whose files are taken over: mapped, refused or ignored
- original_values: values as those programs write them
- rules: times of day, lists of models, and what is odd about rules that are valid
- schema: JSON read into declared settings by walking their type hints
- settings_table: the table of all settings that `teamclaude help config` prints
- state_place: where it is, what is beside it, and where the state and the history are
- value_types: one JSON value by its type and unit, and its description in errors
"""
