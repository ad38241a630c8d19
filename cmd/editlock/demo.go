package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/editlock/editlock/internal/demo"
)

type demoCmd struct {
	Listen  string        `help:"Where to listen: host:port. The panes take the four ports after it. Do not offer it to strangers: whoever can reach it can be anybody." default:"127.0.0.1:8080" env:"EDITLOCK_DEMO_LISTEN"`
	TTL     time.Duration `help:"How long a silent page keeps its lock; 10s to 300s." default:"10s"`
	Verbose bool          `help:"Log what the servers do." short:"v"`
}

func (c *demoCmd) Run(ctx context.Context) error {
	// Before anything starts: the servers would refuse it only one by one.
	if err := checkTTL(c.TTL); err != nil {
		return err
	}
	if err := checkListen(c.Listen, "8080"); err != nil {
		return err
	}
	log := slog.New(slog.DiscardHandler)
	if c.Verbose {
		log = logging{LogLevel: slog.LevelInfo, LogFormat: "auto"}.logger()
	}
	return orderly(ctx, demo.Run(ctx, demo.Options{Addr: c.Listen, TTL: c.TTL, Log: log, Verbose: c.Verbose, Ready: func(url string) {
		fmt.Printf("\n  Open %s and try to get it stuck. Ctrl+C ends it.\n\n", url)
	}}))
}

// demoChildCmd is one of the two servers of the demo, which the demo starts and kills.
type demoChildCmd struct {
	Kind string   `arg:""`
	Args []string `arg:"" optional:""`
}

func (c *demoChildCmd) Run(ctx context.Context) error {
	if !demo.IsChild() {
		return errors.New("this command is for the demo itself; run `editlock demo`")
	}
	slog.SetDefault(demo.ChildLog(c.Kind))
	return orderly(ctx, demo.Child(ctx, c.Kind, c.Args))
}

// orderly takes the end that was asked for by a signal as no error.
func orderly(ctx context.Context, err error) error {
	if ctx.Err() != nil && errors.Is(err, context.Canceled) {
		return nil
	}
	return err
}
