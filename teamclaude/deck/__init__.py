"""The terminal UI: show the running proxy's snapshot and Claude Code's files on disk, and take commands.

Views compute nothing and models read no terminal; the CLI's arguments and the proxy's state belong elsewhere.

- controls: execute the Deck's commands in a worker thread
- cursor_moves: move the cursor and scroll
- feed: models from the proxy in this process, or from one that is polled
- key_bindings: what each key does, as pure transitions of the UI's state
- loop: wait for keys, signals and new data, and repaint
- model: the values that one frame shows, computed from snapshot and sources
- pool: several servers shown as one
- sources: Claude Code's files, read in the background
- sources_provider: what is on disk, for those who ask over HTTP
- terminal: painting and key decoding
- text: cells, formats, styled lines
- ui: models and keys in, screens and commands out
- view: draw a model as lines
"""
