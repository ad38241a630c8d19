package main

import "syscall"

// orphan lets the kernel tell the command when this program has been killed, and cannot do so.
func orphan(attr *syscall.SysProcAttr) { attr.Pdeathsig = syscall.SIGTERM }
