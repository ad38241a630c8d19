package sim

import (
	"context"
	"fmt"
	"time"

	"github.com/editlock/editlock"
)

// host is a machine on which one process at a time runs; now and then an older one has not quite ended.
type host struct {
	w    *world
	name string

	// Guarded by w.mu.
	starts int
	now    *process // nil: none
}

// process is a node: a Manager and its connections. What is asked of a stopped one (SIGSTOP) waits until it goes on, what it says
// and writes does so too; of a dead one nothing comes any more.
type process struct {
	h    *host
	n    int
	dead chan struct{} // closed at its death

	m *editlock.Manager // set before ready

	// Guarded by w.mu.
	ready   bool
	stopped chan struct{} // closed when it goes on; nil: it runs
	over    bool          // dead
	cut     bool          // cannot reach the disk
	skew    time.Duration // of its wall clock as the disk's clock
	doors   map[*door]struct{}
}

func (p *process) name() string { return fmt.Sprintf("%s.%d", p.h.name, p.n) }

// running waits while the process is stopped, and reports whether it lives.
func (p *process) running() bool {
	for {
		p.h.w.mu.Lock()
		stopped, over := p.stopped, p.over
		p.h.w.mu.Unlock()
		if over || stopped == nil {
			return !over
		}
		select {
		case <-stopped:
		case <-p.dead:
		}
	}
}

// start starts a process, in the place of any before it, which goes on if it is not told to end: nobody notices it.
func (h *host) start() {
	w := h.w
	w.mu.Lock()
	h.starts++
	p := &process{h: h, n: h.starts, dead: make(chan struct{}), doors: map[*door]struct{}{}}
	h.now = p
	w.born = append(w.born, p)
	w.mu.Unlock()
	w.say(p.name(), "starts")
	go func() {
		for p.running() {
			if !p.locks() {
				if !w.wait(time.Second) {
					return
				}
				continue
			}
			ctx, cancel := context.WithTimeout(w.ctx, 10*time.Second)
			m, err := editlock.Open(ctx, &driver{w.disk, p}, w.managerConfig(p.name()))
			cancel()
			if err == nil {
				p.opened(m)
				return
			}
			w.say(p.name(), "cannot start: %v", err)
			if !w.wait(time.Second) {
				return
			}
		}
	}()
}

// locks takes the disk for this process, as SQLite's file is for one process at a time, and reports whether it could.
func (p *process) locks() bool {
	w := p.h.w
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.style.shared {
		return true
	}
	if w.disk.owner == nil || w.disk.owner.over {
		w.disk.owner = p
	}
	return w.disk.owner == p
}

func (p *process) opened(m *editlock.Manager) {
	w := p.h.w
	w.mu.Lock()
	p.m, p.ready = m, !p.over
	over := p.over
	w.sayLocked(p.name(), "is ready")
	w.mu.Unlock()
	if over {
		_ = m.Close()
	}
}

// kill is kill -9: nothing of it is written or said any more.
func (h *host) kill() {
	h.w.mu.Lock()
	p := h.now
	h.now = nil
	h.w.mu.Unlock()
	if p != nil {
		p.kill()
	}
}

func (p *process) kill() {
	w := p.h.w
	w.mu.Lock()
	if p.over {
		w.mu.Unlock()
		return
	}
	p.over, p.ready = true, false
	doors := p.open()
	m := p.m
	w.sayLocked(p.name(), "is killed")
	w.mu.Unlock()
	close(p.dead)
	for _, d := range doors {
		d.broken()
	}
	if m != nil {
		_ = m.Close() // so that its goroutines end; it reaches nothing
	}
}

// open lists the connections in the order in which they came. w.mu is held.
func (p *process) open() (list []*door) {
	for d := range p.doors {
		list = append(list, d)
	}
	for i := range list { // a map has no order that a seed decides
		for j := i; j > 0 && list[j].number < list[j-1].number; j-- {
			list[j], list[j-1] = list[j-1], list[j]
		}
	}
	return list
}

// stop is SIGTERM: it tells its clients to move, closes what is left with 1012, and ends.
func (h *host) stop(drain time.Duration) {
	w := h.w
	w.mu.Lock()
	p := h.now
	h.now = nil
	ready := p != nil && p.ready
	w.mu.Unlock()
	if p == nil {
		return
	}
	if !ready {
		p.kill()
		return
	}
	w.say(p.name(), "is told to end")
	p.m.Drain()
	w.mu.Lock()
	doors := p.open()
	w.mu.Unlock()
	for _, d := range doors {
		d.push(&message{kind: move, within: drain * 8 / 10})
	}
	go func() {
		w.wait(drain)
		w.mu.Lock()
		doors := p.open()
		w.mu.Unlock()
		for _, d := range doors {
			d.close(restart)
		}
		if p.running() {
			_ = p.m.Close()
		}
		p.kill()
	}()
}

// pause is SIGSTOP, and SIGCONT after d.
func (p *process) pause(d time.Duration) {
	w := p.h.w
	w.mu.Lock()
	if p.over || p.stopped != nil {
		w.mu.Unlock()
		return
	}
	until := make(chan struct{})
	p.stopped = until
	w.sayLocked(p.name(), "is stopped for %v", d)
	w.mu.Unlock()
	time.AfterFunc(d, func() {
		w.mu.Lock()
		p.stopped = nil
		w.sayLocked(p.name(), "goes on")
		w.mu.Unlock()
		close(until)
	})
}
