"""First-party mode: a client that uses the proxy as its HTTPS proxy (method CONNECT).

Nothing here chooses an account: a request out of an opened connection goes the way of any other.

- certificate_plan: which certificates are made, trusted, served and dropped
- certificates: the certificate files beside the config file, and the TLS contexts made of them
- combined_ca: files with our authorities and those that a client trusted before
- forward_proxy: the forward proxy of one server: opened tunnels and others
- handshake: TLS with the client of an opened tunnel
- openssl: make a certificate authority and its certificate with the openssl program
- peer: who is at the other end of a connection, outside or inside a tunnel
- server_certificates: the certificates of a running server, renewed without a restart
- target: what a CONNECT asks for, and which addresses are public
- tunnel_records: how many tunnels there are to which host, for status and log
"""
