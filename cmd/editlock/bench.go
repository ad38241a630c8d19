package main

import (
	"context"
	"os"
	"os/exec"
	"time"

	"github.com/editlock/editlock/internal/bench"
)

type benchCmd struct {
	Dir     string        `help:"A directory on the disk to be measured." default:"." type:"existingdir"`
	Waiters []int         `help:"Lengths of the queue." default:"1,10,100"`
	Rounds  int           `help:"Hand-overs and acquires to measure for each." default:"300"`
	Pause   time.Duration `help:"For how long nothing may have happened before a hand-over; 0s: one right after the other." default:"20ms"`
	AtMost  float64       `help:"Fail if a hand-over takes longer than so many times its floor; 0: whatever it takes." default:"0"`
	Counted bool          `help:"Measure also what the metrics of --admin-listen cost, in turn with the rest."`
	Sockets int           `help:"Idle sessions for the measurement of memory; -1 leaves it out." default:"15000"`
}

func (benchCmd) Help() string {
	return "Measures hand-over, acquire and memory over real WebSockets, each beside a floor taken in the same run."
}

func (c *benchCmd) Run(ctx context.Context) error {
	program, err := os.Executable()
	if err != nil {
		return err
	}
	if c.Pause == 0 {
		c.Pause = -1
	}
	return orderly(ctx, bench.Run(ctx, bench.Options{
		Dir: c.Dir, Waiters: c.Waiters, Rounds: c.Rounds, Pause: c.Pause, AtMost: c.AtMost, Sockets: c.Sockets, Counted: c.Counted, Out: os.Stdout,
		Child: func(ctx context.Context, args ...string) *exec.Cmd {
			return exec.CommandContext(ctx, program, append([]string{"bench-child"}, args...)...)
		},
	}))
}

// benchChildCmd is a server or a crowd of clients, in a process of its own.
type benchChildCmd struct {
	Args []string `arg:""`
}

func (c *benchChildCmd) Run(ctx context.Context) error { return bench.Child(ctx, c.Args...) }
