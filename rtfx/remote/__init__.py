"""Control from elsewhere: pages on phones, pedals, other programs. All of them run the commands of `live.commands`."""
