"""Start and end of the server, as its surroundings see them.

No module here serves a request or changes an account.

- config_check: whether the config file has changed, and what is said when it is read again
- descriptors: how many file descriptors connections may take, and a spare one
- ending: the phases of a server's end, and until when one lasts
- life: how far a server has come with its end, and what it can be asked for
- port_in_use: why an address can't be listened on
- readiness: whether a load balancer should send requests here
- server_presence: which servers run with this config file
- service_manager: what systemd is told of the server, and the listening sockets that it passes on
- state_file: the observations that survive a restart
- state_saver: the thread that saves them
- state_move: what earlier versions kept beside the config file, moved to the directory for state
- who_answers: who answers at an address of this machine
"""
