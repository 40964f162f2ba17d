"""The OAuth login with a browser, and the client of the authorization server.

Nothing here stores a token.

- login_flow: one login: the URL to open, the code, and the account it yields
- loopback_server: the HTTP server on 127.0.0.1 that the browser is redirected to
- token_endpoint: exchange a code or a refresh token, fetch a token's profile
- token_response: parse the answers of the token and profile endpoints
- usage_endpoint: ask how much of its quota a login has used
"""
