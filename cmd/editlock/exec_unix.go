//go:build unix

package main

import (
	"os"
	"os/exec"
	"syscall"

	"github.com/mattn/go-isatty"
)

// passedOn are the signals that exec passes on to its command. Where the two share a terminal, the keyboard stops both.
func passedOn(shared bool) []os.Signal {
	list := []os.Signal{
		syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP, syscall.SIGQUIT, syscall.SIGUSR1, syscall.SIGUSR2, syscall.SIGWINCH, syscall.SIGCONT,
	}
	if !shared {
		list = append(list, syscall.SIGTSTP)
	}
	return list
}

// ending is the number of a signal, and whether it ends a program that does nothing about it.
func ending(sig os.Signal) (number int, ends bool) {
	s, _ := sig.(syscall.Signal)
	return int(s), s != syscall.SIGWINCH && s != syscall.SIGCONT && s != syscall.SIGTSTP
}

// sharesTerminal reports whether the command is to read from a terminal. Then it stays in our process group: in another one it
// could neither read from the keyboard nor be stopped by it.
func sharesTerminal() bool { return isatty.IsTerminal(os.Stdin.Fd()) }

// separate gives the command a process group of its own, unless it shares a terminal, so that what it starts is stopped with it.
func separate(cmd *exec.Cmd, shared bool) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: !shared}
	orphan(cmd.SysProcAttr)
}

// group sends a signal to the command and all of its group.
func group(cmd *exec.Cmd, sig syscall.Signal, shared bool) {
	pid := cmd.Process.Pid
	if !shared {
		pid = -pid
	}
	_ = syscall.Kill(pid, sig) // it may be gone already
}

// terminate asks the command and its group to end. One that was stopped has to go on for that.
func terminate(cmd *exec.Cmd, shared bool) {
	group(cmd, syscall.SIGTERM, shared)
	group(cmd, syscall.SIGCONT, shared)
}

// finish ends them.
func finish(cmd *exec.Cmd, shared bool) { group(cmd, syscall.SIGKILL, shared) }

// lives reports whether there is anything left of the group. The command itself must have ended and its Wait have returned: what
// comes here is buried, and its exit code lost.
func lives(cmd *exec.Cmd, shared bool) bool {
	if shared {
		return false
	}
	for { // as process 1 of a container we are the parent of what the command has left behind, and nobody else can bury it
		if pid, err := syscall.Wait4(-cmd.Process.Pid, nil, syscall.WNOHANG, nil); err != syscall.EINTR && pid <= 0 {
			break
		}
	}
	return syscall.Kill(-cmd.Process.Pid, 0) == nil
}

// pass passes a signal on. What the keyboard sends reaches a command that shares the terminal by itself.
func pass(cmd *exec.Cmd, sig os.Signal, shared bool) {
	s, _ := sig.(syscall.Signal)
	if shared && (s == syscall.SIGINT || s == syscall.SIGQUIT || s == syscall.SIGWINCH || s == syscall.SIGCONT) {
		return
	}
	group(cmd, s, shared)
}

// exitCode is how a shell says that a command ended.
func exitCode(state *os.ProcessState) int {
	if status, ok := state.Sys().(syscall.WaitStatus); ok && status.Signaled() {
		return 128 + int(status.Signal())
	}
	return state.ExitCode()
}
