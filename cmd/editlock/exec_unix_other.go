//go:build unix && !linux

package main

import "syscall"

// orphan does nothing: only Linux tells a command that its parent was killed.
func orphan(*syscall.SysProcAttr) {}
