package main

import (
	"context"
	"os"
	"os/exec"

	"github.com/editlock/editlock/internal/bench"
)

type benchCmd struct {
	Dir     string `help:"A directory on the disk to be measured." default:"." type:"existingdir"`
	Waiters []int  `help:"Lengths of the queue." default:"1,10,100"`
	Rounds  int    `help:"Hand-overs and acquires to measure for each." default:"500"`
	Sockets int    `help:"Idle sessions for the measurement of memory; -1 leaves it out." default:"15000"`
}

func (benchCmd) Help() string {
	return "Measures hand-over, acquire and memory over real WebSockets, each beside a floor taken in the same run."
}

func (c *benchCmd) Run(ctx context.Context) error {
	program, err := os.Executable()
	if err != nil {
		return err
	}
	return orderly(ctx, bench.Run(ctx, bench.Options{
		Dir: c.Dir, Waiters: c.Waiters, Rounds: c.Rounds, Sockets: c.Sockets, Out: os.Stdout,
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
