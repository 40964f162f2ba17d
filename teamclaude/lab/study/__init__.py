"""Many runs and their table: named worlds, the runs of a study in several processes, means over seeds.

- changes: variants of the policy `price`, and rules for accounts
- jobs: the runs of a study, in this process or in several
- table: means over seeds, as text and as JSON
- worlds: the worlds that a study plays if no option names another one
"""
