"""What the owner of the accounts allows: rules that every policy obeys, and that no shortage waives.

They are made once per configuration, and asked with plain values.  Nothing here knows accounts, requests or
policies: routing/state/ and routing/ import from here, never the other way round.

- caps: how much of an account's windows may be used, also by the hours of the week
- patterns: globs, and directories as they are compared
- project_pins: pins by directory
- route_notes: what a person should know of routes and pins without their effect
- route_settings: the keys `routes` and `pins`
- routes: which accounts alone may serve a request, or that none may
- rule_set: routes and pins by project, with the accounts that there are
- spend: how many dollars may be spent in a day and in a month
- week_hours: hours of the week as a person writes them
"""
