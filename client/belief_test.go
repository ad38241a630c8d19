package client_test

import (
	"context"
	"net"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/editlock/editlock/client"
)

// far is a connection on which the words of the server are two seconds on their way, and those of the client arrive at once.
type far struct {
	net.Conn
	mu   sync.Mutex
	sent []time.Time
}

func (c *far) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	<-time.After(2 * time.Second)
	return n, err
}

func (c *far) Write(p []byte) (int, error) {
	c.mu.Lock()
	c.sent = append(c.sent, time.Now())
	c.mu.Unlock()
	return c.Conn.Write(p)
}

func (c *far) writes() []time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Clone(c.sent)
}

// Belief lasts, to the moment, for the TTL less the margin from the sending of what the server has acknowledged last: of the hello at first, then of pongs,
// however long the acknowledgement was on its way.
// Faults: W2
func TestBeliefCountsFromSending(t *testing.T) {
	for name, c := range map[string]struct {
		writes int // after which the network is cut: the request for a WebSocket, the hello, acquire and confirm, and pongs
		acked  int // which of them is acknowledged last
	}{
		"the hello":       {4, 1},
		"still the hello": {5, 1}, // the first ping could acknowledge no pong
		"the third pong":  {8, 6},
	} {
		t.Run(name, func(t *testing.T) {
			virtual(t, roomy, func(t *testing.T, w *world) {
				var conn *far
				ana := w.session("1", "Ana", func(o *client.Options) {
					o.Dial = func(ctx context.Context, network, address string) (net.Conn, error) {
						under, err := w.net.dial(ctx, network, address)
						if conn == nil {
							conn = &far{Conn: under}
							return conn, err
						}
						return under, err
					}
				})
				a := w.acquire(ana)
				sent := conn.writes()
				for len(sent) < c.writes {
					pass(100 * time.Millisecond)
					sent = conn.writes()
				}
				w.net.cut()
				<-a.Context().Done()
				cfg := w.m.Config()
				if late := time.Since(sent[c.acked]) - (cfg.TTL - cfg.Margin()); late < 0 || late > time.Millisecond {
					t.Errorf("belief ended %v after its time", late)
				}
			})
		})
	}
}
