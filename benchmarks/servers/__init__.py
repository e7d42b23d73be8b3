"""The matrix of servers for ours and for the peers: the same probe application, three ways to give it a lifespan."""
