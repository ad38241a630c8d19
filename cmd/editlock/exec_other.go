//go:build !unix

package main

import (
	"os"
	"os/exec"
)

func passedOn(bool) []os.Signal { return []os.Signal{os.Interrupt} }

func ending(os.Signal) (number int, ends bool) { return 2, true }

func sharesTerminal() bool { return true }

func separate(*exec.Cmd, bool) {}

// terminate ends the command: there is no asking here.
func terminate(cmd *exec.Cmd, _ bool) { _ = cmd.Process.Kill() }

func finish(cmd *exec.Cmd, _ bool) { _ = cmd.Process.Kill() }

func lives(*exec.Cmd, bool) bool { return false }

func pass(*exec.Cmd, os.Signal, bool) {} // the console tells all of its programs

func exitCode(state *os.ProcessState) int { return state.ExitCode() }
