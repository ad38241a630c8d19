package demo

import (
	"bufio"
	"context"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"strings"
	"sync"
	"time"
)

// A process is a child that is kept running: whenever it ends, another is started.
type process struct {
	kind    string
	command []string // what to run; the child's first line on standard output is the address on which it listens
	pause   time.Duration
	log     *slog.Logger
	changed func() // called after each start and each end

	mu    sync.Mutex
	child *os.Process
	addr  string
	past  life
}

// life is what became of a child so far.
type life struct {
	up      bool
	starts  int
	started time.Time     // last
	ended   time.Time     // last
	down    time.Duration // between the two, at the last restart
}

// address is where the child listens now; empty while it is down.
func (p *process) address() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.addr
}

// life reports what became of the child so far.
func (p *process) life() life {
	p.mu.Lock()
	defer p.mu.Unlock()
	l := p.past
	l.up = p.addr != ""
	return l
}

// kill ends the child at once, as kill -9 does: it gets no chance to clean up.
func (p *process) kill() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.child == nil {
		return fmt.Errorf("the %s server is down already; it is started again within %v", p.kind, p.pause)
	}
	return p.child.Kill()
}

// run keeps the child going until ctx is done, and returns when it has ended.
func (p *process) run(ctx context.Context) {
	for {
		err := p.once(ctx)
		if ctx.Err() != nil {
			return
		}
		p.log.Info("the server ended and is started again", "server", p.kind, "how", fmt.Sprint(err), "in", p.pause)
		select {
		case <-time.After(p.pause):
		case <-ctx.Done():
			return
		}
	}
}

func (p *process) once(ctx context.Context) error {
	cmd := exec.CommandContext(ctx, p.command[0], p.command[1:]...) //nolint:gosec // it is this program itself
	cmd.Env = append(os.Environ(), childEnv+"=1")
	cmd.Stderr = os.Stderr
	// The child ends when its standard input does, so that none is left behind, however this process ends.
	alive, err := cmd.StdinPipe()
	if err != nil {
		return err
	}
	defer func() { _ = alive.Close() }()
	cmd.Cancel = alive.Close
	cmd.WaitDelay = 5 * time.Second
	out, err := cmd.StdoutPipe()
	if err != nil {
		return err
	}
	if err := cmd.Start(); err != nil {
		return err
	}
	p.set(cmd.Process, "")
	line, readErr := bufio.NewReader(out).ReadString('\n')
	if readErr == nil {
		p.set(cmd.Process, strings.TrimSpace(line))
	}
	err = cmd.Wait()
	p.set(nil, "")
	return err
}

func (p *process) set(child *os.Process, addr string) {
	now := time.Now()
	p.mu.Lock()
	switch {
	case child == nil:
		p.past.ended = now
	case addr != "":
		if p.past.starts++; p.past.starts > 1 {
			p.past.down = now.Sub(p.past.ended)
		}
		p.past.started = now
	}
	p.child, p.addr = child, addr
	p.mu.Unlock()
	p.changed()
}
