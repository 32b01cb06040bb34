"""Hardware whose users wait for one another inside it: networks of links, channels of memory banks."""
