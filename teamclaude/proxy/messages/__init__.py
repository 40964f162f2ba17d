"""What the proxy reads of requests and responses, from their bytes and header fields.

Everything here is about one message: no account is chosen, nothing is sent, no request is remembered.

- access: who may send a request
- body_scan: model, session and other facts of a request body, without parsing all of it
- redact: takes credentials out of what is shown, stored or relayed
- response_facts: quota headers and error messages of a response
- usage_tap: token counts, model, errors and completeness of a response as it passes
"""
