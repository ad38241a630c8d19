// Command editlock serves edit locks, shows them working, and helps to try them.
package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"syscall"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	// After the first signal the default is back, so that a second one stops at once.
	context.AfterFunc(ctx, stop)

	parser, err := newParser()
	if err != nil {
		fmt.Fprintln(os.Stderr, "editlock:", err)
		os.Exit(2)
	}
	command, err := parser.Parse(os.Args[1:])
	if err != nil {
		fmt.Fprintf(os.Stderr, "editlock: %v\nRun editlock --help to see what can be said.\n", err)
		os.Exit(2)
	}
	command.BindTo(ctx, (*context.Context)(nil))
	if err := command.Run(); err != nil {
		fmt.Fprintln(os.Stderr, "editlock:", err)
		os.Exit(1)
	}
}
