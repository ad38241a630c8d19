// Package nemesis lets real clients loose on a real server, and everything on both that can go wrong: kill -9, stopped
// processes, deploys, cut, half-open and slow networks, a full, failing and hanging disk. What the clients saw is judged by
// package history. It needs Linux, and mounts of its own (root, or user namespaces).
package nemesis
