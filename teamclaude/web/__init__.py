"""The web page: its assets, who has it open, and the changes it is sent.

There is no build step and nothing is loaded from elsewhere.  Sockets and access rules are the proxy's.

The browser's part: page.html names page.css and the scripts of js/, in the order in which they are loaded.
Each defines one object; main.js starts the page.

- changes: what changed between two states of the page, and both as server-sent events
- document: the page as one HTML document, with its policy
- page_rows: the sections of the page's state that a snapshot alone can fill
- publisher: the page's state for all who have it open
- sessions: one-time codes, and who is signed in on a page
"""
