"""The lab on the command line: its subcommands, and the options they share.

- changes: `--cap`, `--reserve`, `--tuning` and `--without`
- charts: the charts of the accounts' windows
- explain: `explain`, which stops a run at one moment
- forecast: `forecast`, which tests forecasts
- options: the options' values, and the worlds they describe
- progress: the progress bar
- run: `run`, the table of policies and worlds
- whatif: `whatif` on recorded traffic
"""
