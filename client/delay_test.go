package client_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"io"
	"math/rand/v2"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/editlock/editlock"
	"github.com/editlock/editlock/client"
)

// slow is a network on which every byte takes up to two seconds, each way and each connection for itself; on which connections break all the time; and on which
// what was sent before that may still arrive afterwards, when the client has long come back by another one; and which delivers what was pushed
// earlier once more, out of order.
type slow struct {
	under *network
	mu    sync.Mutex
	rand  *rand.Rand
	wires sync.WaitGroup
	stop  chan struct{}
	late  int // pieces that arrived after their connection had broken
	again int // pushes that arrived again, out of order
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
	s.wires.Go(func() { s.carry(inner, far, false, broken) })
	s.wires.Go(func() { s.carry(far, inner, true, broken) })
	return outer, nil
}

// carry delivers what was sent, in order, each piece some time later. A piece that is on its way when the connection breaks is
// lost one time in two.
func (s *slow) carry(from, to net.Conn, frames bool, broken <-chan struct{}) {
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
	send := func(b []byte) { pieces <- piece{time.Now().Add(delay), b} }
	if frames {
		s.frames(bufio.NewReader(from), send)
		return
	}
	for {
		buffer := make([]byte, 4096)
		n, err := from.Read(buffer)
		if n > 0 {
			send(buffer[:n])
		}
		if err != nil {
			return
		}
	}
}

// frames passes on what a server says, frame by frame, and what it pushed before once more now and then, out of order.
func (s *slow) frames(from *bufio.Reader, send func([]byte)) {
	for head := ""; !strings.HasSuffix(head, "\r\n\r\n"); {
		line, err := from.ReadString('\n')
		if err != nil {
			return
		}
		head += line
		send([]byte(line))
	}
	var pushes [][]byte
	for {
		frame, err := from.Peek(2)
		if err != nil {
			return
		}
		size := 2 + int(frame[1])
		switch frame[1] {
		case 126:
			if frame, err = from.Peek(4); err != nil {
				return
			}
			size = 4 + int(binary.BigEndian.Uint16(frame[2:]))
		case 127:
			return // larger than anything here
		}
		frame = make([]byte, size)
		if _, err := io.ReadFull(from, frame); err != nil {
			return
		}
		send(frame)
		if bytes.Contains(frame, []byte(`{"type":"snapshot"`)) {
			pushes = append(pushes, frame)
		}
		if len(pushes) > 0 && s.upTo(3) == 0 {
			s.mu.Lock()
			s.again++
			s.mu.Unlock()
			send(pushes[s.upTo(time.Duration(len(pushes)))])
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
		var holder string // with the last fence
		var believer *client.Lock
		turns := map[string]int{}
		lost := 0
		end, cancel := context.WithTimeout(t.Context(), hour)
		defer cancel()
		var programs sync.WaitGroup
		for _, name := range []string{"Ana", "Ben", "Cleo", "Dan"} {
			o := w.options(editlock.User{ID: name, Name: name})
			o.Dial = n.dial
			s, err := client.Open(t.Context(), o)
			for err != nil { // on such a network it may take several attempts
				s, err = client.Open(t.Context(), o)
			}
			defer s.Close()
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
					if lock.Fence() < last || lock.Fence() == last && name != holder {
						t.Errorf("%s: fence %d after %d of %s", name, lock.Fence(), last, holder)
					}
					last, holder, believer = max(last, lock.Fence()), name, lock
					turns[name]++
					mu.Unlock()
					for rest := time.Second + n.upTo(10*time.Second); rest > 0; rest -= 500 * time.Millisecond {
						if lock.Context().Err() != nil {
							mu.Lock()
							lost++
							mu.Unlock()
							break
						}
						w.agrees(name, lock)
						<-time.After(500 * time.Millisecond)
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
		t.Logf("turns %v, %d locks lost to the network, %d pieces arrived after their connection had broken, %d pushes again", turns, lost, n.late, n.again)
		if n.late == 0 || n.again == 0 {
			t.Error("nothing arrived late, or again: this test proves nothing")
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
		var holding, before int64
		for _, e := range entries {
			if e.Ended != nil {
				if e.Ended.Fence != holding {
					t.Fatalf("fence %d ended while %d held", e.Ended.Fence, holding)
				}
				holding = 0
			}
			if e.Granted != nil {
				if holding != 0 || e.Granted.Fence <= before {
					t.Fatalf("fence %d was granted while %d held, after %d", e.Granted.Fence, holding, before)
				}
				holding, before = e.Granted.Fence, e.Granted.Fence
			}
		}
	})
}

// agrees wants the server to let somebody hold who believes that he does.
func (w *world) agrees(name string, lock *client.Lock) {
	snap, err := w.m.Get(w.Context(), doc)
	if lock.Context().Err() != nil {
		return // it has just stopped to believe
	}
	if err != nil || snap.State != editlock.Held || snap.Holder.User.ID != name {
		w.Errorf("%s believes in fence %d, and the server says %s, %+v, %v", name, lock.Fence(), snap.State, snap.Holder, err)
	}
}
