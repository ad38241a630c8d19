//go:build linux

package nemesis

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/editlock/editlock/internal/history"
)

// deck deals kinds of faults: all of them, in random order, before any comes again.
type deck struct {
	random *rand.Rand
	kinds  []string
	rest   []string
}

func newDeck(seed, stream uint64, kinds ...string) *deck {
	return &deck{random: rand.New(rand.NewPCG(seed, stream)), kinds: kinds}
}

func (d *deck) deal() string {
	if len(d.rest) == 0 {
		d.rest = append(d.rest, d.kinds...)
		d.random.Shuffle(len(d.rest), func(i, j int) { d.rest[i], d.rest[j] = d.rest[j], d.rest[i] })
	}
	kind := d.rest[0]
	d.rest = d.rest[1:]
	return kind
}

func (d *deck) between(from, to time.Duration) time.Duration {
	to = max(from, to)
	return from + time.Duration(d.random.Int64N(int64(to-from)+1))
}

// mostly is short, and long once in so many times.
func (d *deck) mostly(from, to, long time.Duration, once int) time.Duration {
	if d.random.IntN(once) == 0 {
		return d.between(to, long)
	}
	return d.between(from, to)
}

// troubled writes a fault down, when it is over.
func (r *run) troubled(name, target string, from int64) {
	r.faults.Add(1)
	r.rec.say(history.Line{Kind: history.Fault, Name: name, Text: target, T: from, Until: now()})
}

// The kinds of faults, by what they befall.
var (
	networkFaults = []string{"cut", "pulled", "up only", "down only", "half-open", "delay", "slow", "refused"}
	clientFaults  = []string{"kill clients", "stop clients", "stop clients for long"}
	serverFaults  = []string{"kill -9", "kill -9, down for a while", "deploy", "stop", "stop for long", "disk full",
		"disk full in a commit", "write fails", "sync fails", "disk hangs", "second server"}
)

// network troubles one cable after the other, several at a time.
func (r *run) network(ctx context.Context) {
	d := newDeck(r.Seed, 1, networkFaults...)
	var under sync.WaitGroup
	defer under.Wait()
	busy := make(map[*cable]chan struct{})
	for pause(ctx, d.between(300*time.Millisecond, r.pace(2200*time.Millisecond))) == nil {
		kind, c := d.deal(), r.cables[d.random.IntN(len(r.cables))]
		lasts := d.mostly(100*time.Millisecond, 4*time.Second, 18*time.Second, 8)
		share := rand.New(rand.NewPCG(d.random.Uint64(), 0))
		if healed := busy[c]; healed != nil {
			select {
			case <-healed:
			case <-ctx.Done():
				return
			}
		}
		healed := make(chan struct{})
		busy[c] = healed
		under.Go(func() {
			defer close(healed)
			from := now()
			r.trouble(ctx, c, kind, lasts, share)
			r.troubled(kind, c.name, from)
		})
	}
}

func (r *run) trouble(ctx context.Context, c *cable, kind string, lasts time.Duration, random *rand.Rand) {
	share := func(most time.Duration) time.Duration {
		if most == 0 {
			return 0
		}
		return time.Duration(random.Int64N(int64(most)))
	}
	switch kind {
	case "cut":
		c.cut()
		return
	case "pulled":
		c.set(trouble{holdUp: true, holdDown: true}, share)
	case "up only":
		c.set(trouble{holdDown: true}, share)
	case "down only":
		c.set(trouble{holdUp: true}, share)
	case "half-open":
		c.set(trouble{doom: true}, share)
	case "delay":
		c.set(trouble{delay: 2 * time.Second}, share)
	case "slow":
		c.set(trouble{rate: 2000}, share)
	case "refused":
		c.set(trouble{refuse: true}, share)
		c.cut()
	}
	_ = pause(ctx, lasts)
	c.set(trouble{}, share)
	c.bury()
}

// clients kills and stops processes of clients.
func (r *run) clients(ctx context.Context) error {
	d := newDeck(r.Seed, 2, clientFaults...)
	for pause(ctx, d.between(time.Second, r.pace(9*time.Second))) == nil {
		kind, h := d.deal(), r.hosts[d.random.IntN(len(r.hosts))]
		short, long := d.between(100*time.Millisecond, 3*time.Second), d.between(9*time.Second, 18*time.Second)
		from := now()
		switch kind {
		case "kill clients":
			h.kill()
			if err := h.start(); err != nil {
				return err
			}
		default:
			lasts := short
			if kind == "stop clients for long" {
				lasts = long
			}
			_ = h.cmd.Process.Signal(syscall.SIGSTOP)
			_ = pause(ctx, lasts)
			_ = h.cmd.Process.Signal(syscall.SIGCONT)
		}
		r.troubled(kind, h.Name, from)
	}
	return nil
}

// server stops, kills and deploys the server, and makes its disk fail. Every now and then it leaves it in peace for longer
// than an outage may cost anybody.
func (r *run) server(ctx context.Context) error {
	d := newDeck(r.Seed, 3, serverFaults...)
	peace := time.Now().Add(r.Storm)
	for pause(ctx, d.between(r.pace(1500*time.Millisecond), r.pace(8*time.Second))) == nil {
		if r.Peace > 0 && time.Now().After(peace) {
			if pause(ctx, r.Peace) != nil {
				break
			}
			peace = time.Now().Add(r.Storm)
		}
		from, kind := now(), d.deal()
		if err := r.strike(ctx, d, kind); err != nil && ctx.Err() == nil {
			return fmt.Errorf("%s: %w", kind, err)
		}
		r.troubled(kind, "server", from)
		r.struck.Add(1)
		if err := r.service.up(context.WithoutCancel(ctx)); err != nil {
			return err
		}
	}
	return nil
}

func (r *run) strike(ctx context.Context, d *deck, kind string) error {
	s := r.service
	switch kind {
	case "kill -9":
		s.kill()
	case "kill -9, down for a while":
		s.kill()
		_ = pause(ctx, d.mostly(200*time.Millisecond, 6*time.Second, r.pace(25*time.Second), 4))
	case "deploy":
		s.signal(syscall.SIGTERM)
		_, done, _ := s.process()
		select {
		case <-done:
		case <-time.After(time.Minute):
			return fmt.Errorf("the server does not stop within a minute")
		}
	case "stop":
		r.stop(ctx, d.between(50*time.Millisecond, 3*time.Second))
	case "stop for long":
		r.stop(ctx, d.mostly(3*time.Second, 13*time.Second, r.pace(30*time.Second), 4))
	case "disk full":
		if err := fillDisk(s.dir); err != nil {
			return err
		}
		_ = pause(ctx, d.mostly(200*time.Millisecond, 4*time.Second, 14*time.Second, 5))
		return drainDisk(s.dir)
	case "disk full in a commit":
		r.failDisk(ctx, act{errno: unix.ENOSPC}, d.between(50*time.Millisecond, 2*time.Second))
	case "write fails":
		r.failDisk(ctx, act{errno: unix.EIO}, d.between(50*time.Millisecond, time.Second))
		s.kill() // a store that has failed stays stopped: its operator restarts the server
	case "sync fails":
		r.failDisk(ctx, act{errno: unix.EIO, sync: true}, d.between(50*time.Millisecond, time.Second))
		s.kill()
	case "disk hangs":
		r.failDisk(ctx, act{hang: true, sync: true}, d.mostly(200*time.Millisecond, 5*time.Second, 14*time.Second, 5))
	case "second server":
		_, err := s.second(ctx)
		return err
	}
	return nil
}

func (r *run) stop(ctx context.Context, d time.Duration) {
	r.service.signal(syscall.SIGSTOP)
	_ = pause(ctx, d)
	r.service.signal(syscall.SIGCONT)
}

func (r *run) failDisk(ctx context.Context, a act, d time.Duration) {
	r.service.disk.fail(a)
	_ = pause(ctx, d)
	hits := r.service.disk.mend()
	r.hits.Add(int64(hits))
}
