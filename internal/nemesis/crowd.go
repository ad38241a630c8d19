//go:build linux

package nemesis

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"sync"
	"syscall"

	"github.com/editlock/editlock/internal/history"
)

// crowd is some pages that share a cable.
type crowd struct {
	Name      string
	Cable     string
	App       string
	Pages     int
	Resources int
	Seed      uint64
}

// pages makes them. Two and two are tabs of one user.
func (c crowd) pages(say func(history.Line)) []*page {
	pages := make([]*page, c.Pages)
	for i := range pages {
		random := rand.New(rand.NewPCG(c.Seed, uint64(i)))
		pages[i] = newPage(fmt.Sprintf("%s.%d", c.Name, i), fmt.Sprintf("%s.u%d", c.Name, i/2), os.Getpid(), c.Cable, c.App, random, say)
	}
	return pages
}

// live lets them live until ctx is done.
func (c crowd) live(ctx context.Context, say func(history.Line)) {
	var all sync.WaitGroup
	for _, p := range c.pages(say) {
		all.Go(func() { p.live(ctx, c.Resources) })
	}
	all.Wait()
}

// host is a crowd in a process of its own, to be stopped and killed.
type host struct {
	crowd
	say        func(history.Line)
	generation int
	cmd        *exec.Cmd
	done       chan struct{}
}

func (h *host) start() error {
	h.generation++
	c := h.crowd
	c.Name = fmt.Sprintf("%s-%d", c.Name, h.generation)
	c.Seed += uint64(h.generation) << 32
	settings, err := json.Marshal(c)
	if err != nil {
		return err
	}
	cmd := exec.Command(os.Args[0], string(settings))
	cmd.Env = append(environment(asPages), "GOMAXPROCS=1")
	cmd.Stderr = os.Stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return err
	}
	if err := cmd.Start(); err != nil {
		return err
	}
	done := make(chan struct{})
	h.cmd, h.done = cmd, done
	go func() {
		defer close(done)
		h.follow(out)
		_ = cmd.Wait()
		for i := range c.Pages {
			h.say(history.Line{Kind: history.Dead, Client: fmt.Sprintf("%s.%d", c.Name, i), Text: "its process"})
		}
	}()
	return nil
}

// follow takes up what the pages say. What a killed process had said is still in the pipe.
func (h *host) follow(out io.Reader) {
	lines := bufio.NewScanner(out)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		var l history.Line
		if json.Unmarshal(lines.Bytes(), &l) == nil { // else it was killed in the middle of a line
			h.say(l)
		}
	}
}

func (h *host) kill() {
	_ = h.cmd.Process.Kill()
	<-h.done
}

// bePages lives in the other process, until it is killed.
func bePages(settings string) error {
	var c crowd
	if err := json.Unmarshal([]byte(settings), &c); err != nil {
		return err
	}
	var mu sync.Mutex
	out := json.NewEncoder(os.Stdout)
	c.live(context.Background(), func(l history.Line) {
		if l.T == 0 {
			l.T = now()
		}
		mu.Lock()
		defer mu.Unlock()
		if out.Encode(l) != nil {
			os.Exit(1)
		}
	})
	return nil
}
