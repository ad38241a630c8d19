package client_test

import (
	"context"
	"errors"
	"math/rand/v2"
	"net"
	"sync"
	"testing"
	"time"

	"github.com/editlock/editlock"
	"github.com/editlock/editlock/client"
)

// slow is a network on which every byte takes up to two seconds, each way and each connection for itself; on which connections break all the time; and on which
// what was sent before that may still arrive afterwards, when the client has long come back by another one.
type slow struct {
	under *network
	mu    sync.Mutex
	rand  *rand.Rand
	wires sync.WaitGroup
	stop  chan struct{}
	late  int // pieces that arrived after their connection had broken
}

func (s *slow) upTo(d time.Duration) time.Duration {
	s.mu.Lock()
	defer s.mu.Unlock()
	return time.Duration(s.rand.Int64N(int64(d)))
}

func (s *slow) dial(ctx context.Context, kind, address string) (net.Conn, error) {
	far, err := s.under.dial(ctx, kind, address)
	if err != nil {
		return nil, err
	}
	inner, outer := net.Pipe()
	broken := make(chan struct{})
	s.wires.Go(func() { // breaks, sooner or later
		select {
		case <-time.After(2*time.Second + s.upTo(40*time.Second)):
		case <-s.stop:
		}
		close(broken)
		_ = outer.Close()
		_ = inner.Close()
	})
	s.wires.Go(func() { s.carry(inner, far, broken) })
	s.wires.Go(func() { s.carry(far, inner, broken) })
	return outer, nil
}

// carry delivers what was sent, in order, each piece some time later. A piece that is on its way when the connection breaks is
// lost one time in two.
func (s *slow) carry(from, to net.Conn, broken <-chan struct{}) {
	type piece struct {
		at    time.Time
		bytes []byte
	}
	pieces := make(chan piece, 10_000)
	s.wires.Go(func() {
		defer func() { _ = to.Close() }()
		for p := range pieces {
			if d := time.Until(p.at); d > 0 {
				<-time.After(d)
			}
			select {
			case <-broken:
				if s.upTo(2) == 0 {
					return
				}
				s.mu.Lock()
				s.late++
				s.mu.Unlock()
			default:
			}
			if _, err := to.Write(p.bytes); err != nil {
				return
			}
		}
	})
	defer close(pieces)
	delay := s.upTo(2 * time.Second)
	for {
		buffer := make([]byte, 4096)
		n, err := from.Read(buffer)
		if n > 0 {
			pieces <- piece{time.Now().Add(delay), buffer[:n]}
		}
		if err != nil {
			return
		}
	}
}

// Four programs contend for one lock, for an hour, over such a network. Never do two of them believe that they hold, fences rise, and
// all of them get on.
//
// Faults: W4, B12
func TestDelayLossAndLateArrival(t *testing.T) {
	virtual(t, roomy, func(t *testing.T, w *world) {
		hour := time.Hour
		if testing.Short() {
			hour = 6 * time.Minute
		}
		seed := rand.Uint64()
		t.Logf("seed %d", seed)
		n := &slow{under: w.net, rand: rand.New(rand.NewPCG(seed, 4)), stop: make(chan struct{})}
		defer func() { close(n.stop); n.wires.Wait() }()
		var mu sync.Mutex
		var last int64
		var believer *client.Lock
		turns := map[string]int{}
		lost := 0
		end, cancel := context.WithTimeout(t.Context(), hour)
		defer cancel()
		var programs sync.WaitGroup
		for _, name := range []string{"Ana", "Ben", "Cleo", "Dan"} {
			s := w.session(name, name, func(o *client.Options) { o.Dial = n.dial })
			programs.Go(func() {
				for end.Err() == nil {
					l, err := s.Acquire(end, doc)
					if err != nil {
						if end.Err() == nil && !errors.Is(err, editlock.ErrUnavailable) {
							t.Errorf("%s: %v", name, err)
							return
						}
						<-time.After(100 * time.Millisecond)
						continue
					}
					lock := l.(*client.Lock)
					mu.Lock()
					if believer != nil && believer != lock && believer.Context().Err() == nil && lock.Context().Err() == nil {
						t.Errorf("%s holds with fence %d while fence %d is believed in", name, lock.Fence(), believer.Fence())
					}
					if lock.Fence() < last || lock.Fence() == last && believer != lock {
						t.Errorf("%s: fence %d after %d", name, lock.Fence(), last)
					}
					last, believer = max(last, lock.Fence()), lock
					turns[name]++
					mu.Unlock()
					select {
					case <-lock.Context().Done():
						mu.Lock()
						lost++
						mu.Unlock()
					case <-time.After(time.Second + n.upTo(10*time.Second)):
					}
					mu.Lock() // whoever comes next may come from here on
					if believer == lock {
						believer = nil
					}
					mu.Unlock()
					for end.Err() == nil && lock.Context().Err() == nil {
						if lock.Release(end) == nil {
							break
						}
					}
				}
			})
		}
		programs.Wait()
		n.mu.Lock()
		t.Logf("turns %v, %d locks lost to the network, %d pieces arrived after their connection had broken", turns, lost, n.late)
		if n.late == 0 {
			t.Error("nothing arrived late: this test proves nothing")
		}
		n.mu.Unlock()
		for name, k := range turns {
			if k < int(hour/(2*time.Minute)) {
				t.Errorf("%s had the lock %d times only", name, k)
			}
		}
		entries, _, err := w.m.History(t.Context(), doc, "", 100_000)
		if err != nil {
			t.Fatal(err)
		}
		var holder, before int64
		for _, e := range entries {
			if e.Ended != nil {
				if e.Ended.Fence != holder {
					t.Fatalf("fence %d ended while %d held", e.Ended.Fence, holder)
				}
				holder = 0
			}
			if e.Granted != nil {
				if holder != 0 || e.Granted.Fence <= before {
					t.Fatalf("fence %d was granted while %d held, after %d", e.Granted.Fence, holder, before)
				}
				holder, before = e.Granted.Fence, e.Granted.Fence
			}
		}
	})
}
