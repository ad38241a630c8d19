package bench

import (
	"context"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/editlock/editlock/wire"
)

// resource is what all of a relay wait for.
const resource = "article/42"

func (p *peer) acquire() *wire.Acquire {
	return &wire.Acquire{ID: p.next(), Target: wire.Target{Resource: resource}}
}

// ring is a queue that never ends: whoever hands over queues up again behind the others.
type ring struct {
	peers []*peer
	at    int
}

func (r *ring) pair() (holder, first *peer) {
	n := len(r.peers)
	return r.peers[r.at%n], r.peers[(r.at+1)%n]
}

// pass lets the holder release and returns when the first waiter knew that it is its turn.
func pass(ctx context.Context, holder, first *peer, fence int64) (time.Duration, grant, error) {
	release := &wire.Release{ID: holder.next(), Target: wire.Target{Resource: resource}, Fence: fence}
	began := time.Now()
	if err := holder.send(release); err != nil {
		return 0, grant{}, err
	}
	g, err := first.turn(ctx, fence)
	if err != nil {
		return 0, g, err
	}
	if _, err := holder.answer(ctx); err != nil {
		return 0, g, fmt.Errorf("release: %w", err)
	}
	return g.at.Sub(began), g, nil
}

// lockRelay is a queue at editlock.
type lockRelay struct {
	ring  ring
	fence int64 // of the holder
}

func newLockRelay(ctx context.Context, ends *ending, dir string, waiters int, heard *atomic.Int64, counted bool) (*lockRelay, error) {
	s, err := serveLocks(ctx, ends, dir, counted)
	if err != nil {
		return nil, err
	}
	l := &lockRelay{}
	for i := range waiters + 1 {
		p, err := s.session(ctx, ends, i, heard)
		if err != nil {
			return nil, err
		}
		l.ring.peers = append(l.ring.peers, p)
		m, err := p.mine(ctx, p.acquire())
		if err != nil {
			return nil, err
		}
		if i > 0 {
			if m.State != "waiting" {
				return nil, fmt.Errorf("the session that came as number %d is %q", i+1, m.State)
			}
			continue
		}
		l.fence = m.Fence
		if err := confirm(ctx, p, resource, m.Fence); err != nil {
			return nil, err
		}
	}
	return l, nil
}

func confirm(ctx context.Context, p *peer, resource string, fence int64) error {
	m, err := p.mine(ctx, &wire.Confirm{ID: p.next(), Target: wire.Target{Resource: resource}, Fence: fence})
	if err == nil && m.State != "held" {
		err = fmt.Errorf("a confirmed session is %q", m.State)
	}
	return err
}

func (l *lockRelay) handOver(ctx context.Context) (time.Duration, error) {
	holder, first := l.ring.pair()
	took, g, err := pass(ctx, holder, first, l.fence)
	if err != nil {
		return 0, err
	}
	l.fence = g.fence
	if err := confirm(ctx, first, resource, g.fence); err != nil {
		return 0, err
	}
	if _, err := holder.mine(ctx, holder.acquire()); err != nil {
		return 0, err
	}
	l.ring.at++
	return took, nil
}

// acquires measures how long it takes to get what is free.
func acquires(ctx context.Context, o Options, dir string) error {
	ends := &ending{}
	defer ends.all()
	s, err := serveLocks(ctx, ends, dir, false)
	if err != nil {
		return err
	}
	p, err := s.session(ctx, ends, 0, &atomic.Int64{})
	if err != nil {
		return err
	}
	var granted, confirmed times
	for range o.Rounds {
		began := time.Now()
		m, err := p.mine(ctx, p.acquire())
		if err != nil {
			return err
		}
		granted = append(granted, time.Since(began))
		if err := confirm(ctx, p, resource, m.Fence); err != nil {
			return err
		}
		confirmed = append(confirmed, time.Since(began))
		if _, err := p.mine(ctx, &wire.Release{ID: p.next(), Target: wire.Target{Resource: resource}, Fence: m.Fence}); err != nil {
			return err
		}
	}
	fmt.Fprintf(o.Out, "\nAcquire of a free resource, ms: granted p50 %s p99 %s; confirmed, so that the page may edit, p50 %s p99 %s\n",
		ms(granted.at(.5)), ms(granted.at(.99)), ms(confirmed.at(.5)), ms(confirmed.at(.99)))
	return nil
}
