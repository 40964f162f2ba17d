"""One message on its own: what its bytes say, whether it may pass, and what of it must be hidden.

No account is chosen here, nothing is sent, and no request is remembered.

- access: whether a request may pass: Host, Origin, client key
- body_scan: model, session and other facts of a request body, without parsing all of it
- findings: what was found in the body of a response: token counts, model, id, an error
- json_text: whether a JSON text lacks its end, and a text of it as one line
- named_models: every model that a body names, where a route depends on it
- proxy_keys: the proxy's own keys: which one a request carries
- pool_headers: the pool's limits in a response's head, with limitsFromPool
- redact: the secrets of this process, and text without them or other credentials
- response_facts: quota headers and error messages of a response
- roles: what the bearer of a key may do
- unseen_tokens: an estimate of what an answer that was left early has used
- usage_tap: token counts, model, errors and completeness of a response as it passes
- web_origin: whom a Host header names, and which page may have caused a request
"""
