"""What `doctor` examines: facts are gathered, checks make findings of them, a report shows them.

- checks: pure functions: facts in, findings out
- examination: which groups there are, and how long they may take
- facts: what is read and asked, one kind of fact in a file; nothing is changed
- finding: what a finding is: an id, a level, a line, what mends it
- repair: what --fix does
- report: the findings as lines or JSON
- subject: what is examined
"""
