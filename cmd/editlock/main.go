// Command editlock serves edit locks, shows them working, and helps to try them.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"regexp"
	"syscall"

	"github.com/alecthomas/kong"
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
		fmt.Fprintf(os.Stderr, "editlock: %s\nRun %s --help to see what can be said.\n", words(err), asked(err))
		os.Exit(2)
	}
	command.BindTo(ctx, (*context.Context)(nil))
	if err := command.Run(); err != nil {
		code, silent := 1, false
		var e *exit
		if errors.As(err, &e) {
			code, silent = e.code, e.err == nil
		}
		if !silent {
			fmt.Fprintln(os.Stderr, "editlock:", words(err))
		}
		os.Exit(code)
	}
}

// library is the name of the library where an error begins, or one that it wraps. An address that ends in it is left alone.
var library = regexp.MustCompile(`(^|\n|: |\()editlock: `)

// words is what an error says, without the name of the library, which is that of the program.
func words(err error) string { return library.ReplaceAllString(err.Error(), "$1") }

// asked is the command that somebody meant, as far as it was understood.
func asked(err error) string {
	var parsing *kong.ParseError
	if errors.As(err, &parsing) && parsing.Context != nil {
		if command := parsing.Context.Selected(); command != nil {
			return command.FullPath()
		}
	}
	return "editlock"
}
