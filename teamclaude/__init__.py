"""A local proxy that serves Claude Code from several accounts of one person.

Each folder is one subject and imports only those below it; manual/design.md is the map.

- accounts: the config file, credentials, login and token refresh
- alerts: which events a person is told of, and how
- brief: lists in words: a few are named, then how many more there are
- cli: the commands; the only folder that prints
- color: whether output is coloured
- deck: the terminal user interface
- demo: the proxy with a fake API and fake sessions, without an account
- dial: connections to servers outside: proxies, the addresses of a host, TLS
- errors: every error, sorted by whose fault it is, with its HTTP answer
- fakeapi: the fake API of the demo and of the tests
- forecast: when a quota is used up, as a range; pure
- history: what happened, in SQLite
- lab: routing policies compared in virtual time
- lazy_modules: modules of the standard library that use OpenSSL, which is loaded late
- manual: the pages that `teamclaude help TOPIC` prints
- metrics: the snapshot as Prometheus reads it
- outlook_views: what is expected, and who waits for a person, as the snapshot has it
- own_program: how this program is started again, in each form that it has
- programs: a program on the PATH, never in the working directory; the end of one that was started
- proxy: the server: connections, forwarding, records
- request_views: requests, clients and tunnels, as the snapshot has them
- routing: which account serves a request, and when; pure
- settings: how a setting is declared
- snapshot: what the proxy knows at one instant, as one typed value
- threads: starting a thread when the system is short of them
- typed_json: typed values as JSON objects and back
- values: dataclasses and named tuples that are made quickly
- web: the page, who has it open, and what it is sent
"""

__version__ = "0.1.0"
