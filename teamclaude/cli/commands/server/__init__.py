"""The commands that run the server.

- restart: `restart` and `drain`: what the running server is to do with itself
- server: run the proxy, with the Deck or plain lines
- service: the server under systemd or launchd
"""
