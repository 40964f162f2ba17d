"""The way of one request to the API and back: account, attempts, retries, response.

It knows no listening socket and no configuration file; what it needs of the server is in `context`.

- account_targets: credential and address of each account
- acquire: get an account for the next attempt, or the error when there is none
- context: what all requests of one configuration share
- early_upload: send a large request while it arrives, where its account is certain
- forwarder: carry out the attempts of one request
- hold: keep a waiting client's connection alive
- passthrough: requests with the client's own login, and WebSockets
- queued_request: a request in the wait queue of the router, and how it sleeps
- refusals: the refusals of one request, and what they mean for the accounts
- request_parts: what the forwarder of one request works with
- response_writer: write a response, or its refusal, to the client
- retry: what follows a failed attempt, a pure state machine
- router: the lock, the clock and the wait queue around the fleet
- routing_request: what a request asks of routing
- user_rules: routes and pins by project, as configured and as they apply to a request
"""
