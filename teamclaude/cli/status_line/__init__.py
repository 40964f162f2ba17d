"""The line that `teamclaude statusline` prints below Claude Code's prompt.

It is a process of its own for each update: nothing here imports more than it needs, and every wait ends.

- bounded: waits with an end: for stdin, for the proxy, for another command
- facts: what the line is made of: Claude Code's input and the proxy's answer, read leniently
- install: Claude Code's setting `statusLine`, and a command of the user that goes on
- line: the facts as one line: parts, template, colours, width
- memory: the last answer for each session, for when the proxy gives none
- outlook: when the pool runs dry; the colour of how full a window is
- output: the whole: read the input, ask the proxy, print the line
- proxy_query: which proxy the environment names, and one question to it
- spans: styled text: colours, cells, names made safe
"""
