"""The server as a service: its units for systemd and its agent for launchd, written, removed and asked about.

- launchd_agent: the property list for launchd; pure
- managers: `systemctl --user` and `launchctl`: what they are told, and what they say
- spec: what a service consists of: its command, its environment, its addresses
- systemd_units: the units for systemd; pure
- unit_files: files that were written here, told from those of others and from edited ones
"""
