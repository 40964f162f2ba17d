"""What the proxy's own endpoints answer with, apart from the server that they tell of.

- endpoint_types: a request for the proxy itself, and the reply to it
- page: the web page: who is signed in, and what those who look are sent
"""
