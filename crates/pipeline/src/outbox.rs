//! Frames for one client that wait for the socket.
