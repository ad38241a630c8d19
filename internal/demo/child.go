package demo

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"time"

	"github.com/editlock/editlock/examples/usual"
	"github.com/editlock/editlock/internal/demo/articles"
)

// IsChild reports whether this process was started by Run as one of its servers: it then has to call Child with the
// arguments that follow ChildCommand.
func IsChild() bool { return os.Getenv(childEnv) != "" }

// ChildLog is where a child logs. Without [Options.Verbose] the usual design is quiet about what goes wrong in it: that is
// what the demo is there to show, and it would look like a fault of the demo.
func ChildLog(kind string) *slog.Logger {
	o := &slog.HandlerOptions{Level: slog.LevelWarn}
	if os.Getenv(childEnv) == verboseChild {
		o.Level = slog.LevelInfo
	} else if kind == usualSide {
		return slog.New(slog.DiscardHandler)
	}
	return slog.New(slog.NewTextHandler(os.Stderr, o)).With("server", kind)
}

// Child is one of the servers that Run starts: kind and args are the arguments that follow [ChildCommand]. It prints the
// address on which it listens, and runs until ctx is done or its standard input ends.
func Child(ctx context.Context, kind string, args []string) error {
	if len(args) != 2 {
		return fmt.Errorf("demo: this command is for the demo itself; run `editlock demo`")
	}
	dir := args[0]
	ttl, err := time.ParseDuration(args[1])
	if err != nil {
		return fmt.Errorf("demo: %w", err)
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	go func() {
		_, _ = io.Copy(io.Discard, os.Stdin) // ends with the process that started this one
		cancel()
	}()
	switch kind {
	case usualSide:
		return usualChild(ctx, dir)
	case editlockSide:
		return editlockChild(ctx, dir, ttl)
	}
	return fmt.Errorf("demo: no server is called %q", kind)
}

func usualChild(ctx context.Context, dir string) error {
	s, err := usual.Open(filepath.Join(dir, articlesFile), usual.Options{
		Ping: usualPing, Timeout: usualPong,
		Head: `<link rel="stylesheet" href="/demo/usual.css"><script src="/demo/pane.js"></script>`,
	})
	if err != nil {
		return err
	}
	defer func() { _ = s.Close() }()
	if err := s.Add(article, articles.Harbour.Title, articles.Harbour.Body); err != nil {
		return err
	}
	mux := http.NewServeMux()
	mux.Handle("/", s)
	mux.Handle("GET /demo/", assets())
	return serve(ctx, mux)
}

// serve listens on a free port, says which on standard output, and serves until ctx is done.
func serve(ctx context.Context, h http.Handler) error {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	fmt.Println(listener.Addr())
	server := &http.Server{Handler: h, ReadHeaderTimeout: 10 * time.Second}
	stop := context.AfterFunc(ctx, func() { _ = server.Close() })
	defer stop()
	if err := server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}
