package demo

import (
	"bufio"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
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
	verbose bool
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

// run keeps the child going until ctx is done, and returns when it has ended. It gives up, with what the child said, on one that
// ended by itself before it was ever ready: the next would do the same.
func (p *process) run(ctx context.Context) error {
	for {
		said := &words{to: os.Stderr}
		err := p.once(ctx, said)
		if ctx.Err() != nil {
			return nil
		}
		var how *exec.ExitError
		killed := errors.As(err, &how) && !how.Exited()
		if p.life().starts == 0 && !killed {
			return fmt.Errorf("the %s server does not start (%w): %s", p.kind, cmp.Or(err, errors.New("it ended")), said.last())
		}
		p.log.Info("the server ended and is started again", "server", p.kind, "how", fmt.Sprint(err), "in", p.pause)
		select {
		case <-time.After(p.pause):
		case <-ctx.Done():
			return nil
		}
	}
}

func (p *process) once(ctx context.Context, said *words) error {
	cmd := exec.CommandContext(ctx, p.command[0], p.command[1:]...) //nolint:gosec // it is this program itself
	how := quietChild
	if p.verbose {
		how = verboseChild
	}
	cmd.Env = append(os.Environ(), childEnv+"="+how)
	cmd.Stderr = said
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
		said.pass()
		p.set(cmd.Process, strings.TrimSpace(line))
	}
	err = cmd.Wait()
	p.set(nil, "")
	return err
}

// words is what a child says on its standard error: kept until it is ready, so that it can stand in the error of one that never
// is, and then passed on.
type words struct {
	to io.Writer

	mu    sync.Mutex
	kept  []byte
	ready bool
}

func (w *words) Write(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.ready {
		return w.to.Write(p)
	}
	w.kept = append(w.kept, p...)
	w.kept = w.kept[max(0, len(w.kept)-16<<10):]
	return len(p), nil
}

// pass passes on what was kept, and all that comes.
func (w *words) pass() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.ready = true
	_, _ = w.to.Write(w.kept)
}

// last is what was said, for an error.
func (w *words) last() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return cmp.Or(strings.TrimPrefix(strings.TrimSpace(string(w.kept)), "editlock: "), "it said nothing")
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
