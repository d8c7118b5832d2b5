"""What several test modules share: clients, servers, keys, recorded traffic."""
