//go:build !unix

package main

// openFiles is how many files this process may have open: nobody counts them here.
func openFiles() int { return 1 << 30 }
