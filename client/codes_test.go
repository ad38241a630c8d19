package client_test

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/editlock/editlock"
	"github.com/editlock/editlock/client"
	"github.com/editlock/editlock/wire"
)

// closing is a connection that can be closed with any code: the next frame from the server is a close frame.
type closing struct {
	net.Conn
	code *atomic.Int32  // 0: it stays open
	at   chan time.Time // when it was closed
	over atomic.Bool
}

func (c *closing) Read(p []byte) (int, error) {
	if c.over.Load() {
		return 0, io.EOF
	}
	n, err := c.Conn.Read(p)
	if code := c.code.Swap(0); n > 0 && code != 0 {
		c.over.Store(true)
		c.at <- time.Now()
		return copy(p, binary.BigEndian.AppendUint16([]byte{0x88, 2}, uint16(code))), nil
	}
	return n, err
}

// Each close code says whether to come back, when, and as whom. None of those that let the session live costs the lock; after those that end it
// the lock is not believed in any more.
// Faults: W1
func TestCloseCodes(t *testing.T) {
	type answer struct {
		code  int
		fresh bool          // a new access token first
		ends  bool          // the session
		least time.Duration // before the next attempt
		most  time.Duration
	}
	answers := []answer{
		{code: wire.CloseTokenExpired, fresh: true}, {code: wire.CloseTokenRefused, fresh: true}, {code: 4250, fresh: true},
	}
	for _, code := range []int{wire.CloseGoingAway, wire.CloseInternal, wire.CloseRestart, 3000, 4999, 4400} {
		answers = append(answers, answer{code: code, most: 4 * time.Second})
	}
	for _, code := range []int{wire.CloseProtocol, wire.CloseBinary, wire.CloseBadText, wire.CloseTooBig, wire.CloseTooSlow, wire.CloseNoPong, wire.CloseTooMany, wire.CloseHelloLate, wire.CloseBadMessage, 4150} {
		answers = append(answers, answer{code: code, least: 500 * time.Millisecond, most: 5 * time.Second})
	}
	for _, code := range []int{wire.CloseReplaced, wire.CloseResumeReused, wire.CloseSessionEnded, 4399} {
		answers = append(answers, answer{code: code, ends: true, most: 20 * time.Second})
	}
	virtual(t, roomy, func(t *testing.T, w *world) {
		for _, c := range answers {
			var code, tokens atomic.Int32
			dialled, closed := make(chan time.Time, 10), make(chan time.Time, 1)
			ana := w.session("1", "Ana", func(o *client.Options) {
				get := o.Token
				o.Token = func(ctx context.Context) (string, error) { tokens.Add(1); return get(ctx) }
				o.Dial = func(ctx context.Context, network, address string) (net.Conn, error) {
					dialled <- time.Now()
					conn, err := w.net.dial(ctx, network, address)
					return &closing{Conn: conn, code: &code, at: closed}, err
				}
			})
			lock, err := ana.Acquire(t.Context(), fmt.Sprintf("article/%d", c.code))
			if err != nil {
				t.Fatal(err)
			}
			<-dialled
			code.Store(int32(c.code))
			began := <-closed // with the next ping
			took := (<-dialled).Sub(began)
			if took < c.least || took > c.most {
				t.Errorf("%d: back after %v, want %v to %v", c.code, took, c.least, c.most)
			}
			if fresh := tokens.Load() > 1; fresh != c.fresh {
				t.Errorf("%d: another access token: %t", c.code, fresh)
			}
			if !c.ends {
				if _, err := ana.Try(t.Context(), "article/43"); err != nil {
					t.Errorf("%d: %v", c.code, err)
				}
				w.holds(lock.(*client.Lock))
			} else if cause := context.Cause(lock.Context()); !errors.Is(cause, editlock.ErrUnsure) {
				t.Errorf("%d: the lock ended by %v", c.code, cause)
			}
			if err := ana.Close(); err != nil {
				t.Errorf("%d: %v", c.code, err)
			}
		}
	})
}

// Every end of a connection, every failure and every order to move leads to the next address of the list, in turn.
// Faults: W7
func TestAddressesInTurn(t *testing.T) {
	virtual(t, roomy, func(t *testing.T, w *world) {
		var mu sync.Mutex
		var dialled []string
		down := map[string]bool{}
		servers := []string{"http://a.test", "http://b.test", "http://c.test", "http://d.test"}
		ana := w.session("1", "Ana", func(o *client.Options) {
			o.Servers = servers
			o.Dial = func(ctx context.Context, network, address string) (net.Conn, error) {
				mu.Lock()
				dialled = append(dialled, address[:1])
				refuse := down[address[:1]]
				mu.Unlock()
				if refuse {
					return nil, errors.New("connection refused")
				}
				return w.net.dial(ctx, network, address)
			}
		})
		a := w.acquire(ana)
		expect := func(want ...string) {
			t.Helper()
			if _, err := ana.Try(t.Context(), "article/43"); err != nil {
				t.Fatal(err)
			}
			mu.Lock()
			defer mu.Unlock()
			if !slices.Equal(dialled, want) {
				t.Errorf("dialled %q, want %q", dialled, want)
			}
			dialled = nil
		}
		expect("a")
		w.net.reset()
		expect("b")
		mu.Lock()
		down["c"], down["d"] = true, true
		mu.Unlock()
		w.net.reset()
		expect("c", "d", "a")
		w.holds(a)
		mu.Lock()
		clear(down)
		mu.Unlock()
		go w.s.Drain(t.Context()) // tells her to move, and takes nobody in
		pass(20 * time.Second)    // the whole drain
		mu.Lock()
		defer mu.Unlock()
		if len(dialled) == 0 || dialled[0] != "b" {
			t.Errorf("told to move, she dialled %q", dialled)
		}
	})
}
