//go:build unix

package main

import "syscall"

// openFiles is how many files this process may have open. The runtime has raised the limit as far as it may be raised.
func openFiles() int {
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil || uint64(limit.Cur) > 1<<30 {
		return 1 << 30
	}
	return int(limit.Cur)
}
