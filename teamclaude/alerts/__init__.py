"""Which events a person is told of outside of the terminal, and how.

The rules are pure: the state and a snapshot in, the new state and events out.  Only delivery starts programs
and sends requests; proxy/reporting/alerting.py drives both.

- alert_state: the file that remembers what has been alerted of
- delivery: the queue of deliveries and its threads
- event: an event as texts and as JSON
- findings: what is true of a condition at one look
- post_url: one event posted to a URL
- rules: when a condition fires: edges and episodes
- run_program: one event given to a program
- sample: an event of any condition, for trying an alert out
"""
